// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/exact"
	"github.com/kxlab/kxlab/harness/mark"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/tcp"
)

// startWithin is the interval in which flows that start together start, each at a time derived from the seed, so that
// flows do not synchronize.
const startWithin = 100 * time.Millisecond

// A bulkRun is one set of flows on one path.
type bulkRun struct {
	member *member // the variant under test
	cell   harness.Cell
	budget harness.Budget

	path    netlab.Path
	flows   []tcp.BulkFlow
	names   []string // of the flows' variants, for people
	events  []tcp.BulkEvent
	warm    time.Duration // from the start of the run; recorded, but not part of the metrics
	length  time.Duration // of the whole run, warm-up included
	verify  bool
	counted bool             // see count
	cost    []harness.Metric // of a counted run
}

// newRun returns a run without flows on the cell's path.
func newRun(m *member, c harness.Cell, b harness.Budget) (*bulkRun, error) {
	p, err := pathOf(c, b.Seed)
	return &bulkRun{member: m, cell: c, budget: b, path: p, warm: b.Warm, length: b.Warm + b.Measure}, err
}

// add adds n flows of a variant. They start within startWithin after at.
func (r *bulkRun) add(s *stage, variant string, n int, at time.Duration) {
	for range n {
		rng := rand.New(rand.NewPCG(r.budget.Seed, uint64(len(r.flows))))
		r.flows = append(r.flows, tcp.BulkFlow{
			Algorithm: s.algorithm(variant), From: s.chain.ServerAddrs[0], To: s.chain.ClientAddr,
			Start: at + time.Duration(rng.Int64N(int64(startWithin))),
		})
		r.names = append(r.names, variant)
	}
}

// count makes run measure the instructions for each acknowledged packet, if the clock counts instructions.
func (r *bulkRun) count() { r.counted = r.budget.Exact && runtime.NumCPU() == 1 }

// run configures the path and runs the flows.
func (r *bulkRun) run(ctx context.Context, s *stage) (*tcp.BulkReport, error) {
	around := func(flows func() error) error { return flows() }
	var busy time.Duration // one nanosecond is one instruction
	if r.counted {
		clock, err := exact.OpenIdleClock()
		if err != nil {
			return nil, err
		}
		defer clock.Close()
		around = func(flows func() error) error {
			before, err := clock.Total()
			if err != nil {
				return err
			}
			mark.Begin()
			began := time.Now()
			if err := flows(); err != nil {
				return err
			}
			after, err := clock.Total()
			busy = time.Since(began) - (after - before)
			mark.End()
			return err
		}
	}
	if err := s.chain.Shape(r.path); err != nil {
		return nil, err
	}
	report, err := tcp.Bulk{
		Server: s.chain.Server, Client: s.chain.Client, Flows: r.flows, Duration: r.length, Events: r.events,
		Verify: r.verify, Seed: r.budget.Seed, Around: func(flows func() error) error {
			if r.budget.Exact {
				defer exact.Quiet()()
			}
			defer r.budget.Window()()
			return around(flows)
		},
	}.Run(ctx)
	if err != nil {
		return nil, err
	}
	acked := totalAcked(report.Flows)
	if r.counted {
		exact.Describe(r.budget.Counted, harness.CountedWindow{Unit: "insn/seg", Amount: acked})
	}
	if r.counted && acked != 0 {
		r.cost = []harness.Metric{{Unit: "insn/seg", Value: float64(busy) / acked}}
	}
	return report, nil
}

// totalAcked returns the number of packets acknowledged on all flows.
func totalAcked(flows []tcp.FlowReport) (acked float64) {
	for i := range flows {
		acked += flows[i].Acked()
	}
	return acked
}

// measure runs the flows. If the trial is valid, add adds its metrics to the result.
func (r *bulkRun) measure(ctx context.Context, s *stage, add func(*tcp.BulkReport, *harness.Result)) (harness.Result, error) {
	report, err := r.run(ctx, s)
	if err != nil {
		return harness.Result{}, err
	}
	res := r.result(report)
	if res.Invalid == "" {
		add(report, &res)
	}
	return res, nil
}

// result returns a result with the reason of an invalid trial, if any, and the series of the first flows.
func (r *bulkRun) result(report *tcp.BulkReport) harness.Result {
	res := harness.Result{Measured: report.Elapsed}
	for i := range report.Flows {
		res.Iterations += int64(report.Flows[i].Acked())
	}
	if i, why := report.Wrong(); why != "" {
		res.Invalid = fmt.Sprintf("flow %d of %d (%s) %s", i+1, len(report.Flows), r.names[i], why)
		return res
	}
	if res.Iterations == 0 {
		res.Invalid = "no data was acknowledged"
	}
	res.Series = flowSeries(report, r.names)
	return res
}

// flowMetrics returns the metrics of the flows given: their total goodput since the first one's start, round-trip times and the share
// retransmitted.
func flowMetrics(report *tcp.BulkReport, flows []tcp.FlowReport) []harness.Metric {
	var received int64
	var sent, resent uint64
	first := report.Elapsed
	for i := range flows {
		first, received = min(first, flows[i].Start), received+flows[i].Received
		if n := len(flows[i].Samples); n > 0 {
			sent, resent = sent+flows[i].Samples[n-1].Sent, resent+flows[i].Samples[n-1].Resent
		}
	}
	rtts := tcp.RTTs(flows)
	return []harness.Metric{
		{Unit: "bit/s", Value: 8 * float64(received) / max(report.Elapsed-first, 1).Seconds()},
		{Unit: "p50-rtt-sec", Value: tcp.Quantile(rtts, 0.50).Seconds()},
		{Unit: "p95-rtt-sec", Value: tcp.Quantile(rtts, 0.95).Seconds()},
		{Unit: "retrans-share", Value: float64(resent) / float64(max(sent, 1))},
	}
}

// fairnessMetrics returns the metrics of how the flows shared the link.
func fairnessMetrics(report *tcp.BulkReport) []harness.Metric {
	life, worst := report.Fairness()
	took, _ := report.Convergence() // without convergence: the whole time, a lower bound
	return []harness.Metric{
		{Unit: "jain-share", Value: life},
		{Unit: "worst-jain-share", Value: worst},
		{Unit: "converge-sec", Value: took.Seconds()},
	}
}
