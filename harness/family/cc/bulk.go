// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/tcp"
)

// oneFlow measures one flow on a path.
func (s *stage) oneFlow(ctx context.Context, r *bulkRun) (harness.Result, error) {
	if r.cell.Axis("load") == loadIperf {
		return s.iperf(ctx, r)
	}
	return s.measureFlows(ctx, r, 1)
}

// likeFlows measures several flows of the variant that start together.
func (s *stage) likeFlows(ctx context.Context, r *bulkRun) (harness.Result, error) {
	n, err := axisNumber(r.cell, "flows", 1)
	if err != nil {
		return harness.Result{}, err
	}
	return s.measureFlows(ctx, r, int(n))
}

func (s *stage) measureFlows(ctx context.Context, r *bulkRun, n int) (harness.Result, error) {
	r.add(s, r.member.name, n, 0)
	r.count()
	modes := r.watchModes()
	return r.measure(ctx, s, func(report *tcp.BulkReport, res *harness.Result) {
		report = report.After(r.warm)
		res.Metrics = slices.Concat(flowMetrics(report, report.Flows), r.cost, r.windows(report, report.Flows), modes())
		if n > 1 {
			res.Metrics = append(res.Metrics, fairnessMetrics(report)...)
		}
	})
}

// coexist measures one flow of the variant beside one of another.
func (s *stage) coexist(ctx context.Context, r *bulkRun) (harness.Result, error) {
	against := r.cell.Axis("against")
	if why, ok := s.absent[against]; ok {
		return harness.Result{}, fmt.Errorf("start flows of %s: %w", against, why)
	}
	r.add(s, r.member.name, 1, 0)
	r.add(s, against, 1, 0)
	modes := r.watchModes()
	return r.measure(ctx, s, func(report *tcp.BulkReport, res *harness.Result) {
		report = report.After(r.warm)
		own, other := report.Flows[0].Goodput(report.Elapsed), report.Flows[1].Goodput(report.Elapsed)
		res.Metrics = append(flowMetrics(report, report.Flows[:1]), fairnessMetrics(report)...)
		res.Metrics = append(res.Metrics, harness.Metric{Unit: "taken-share", Value: own / max(own+other, 1)})
		res.Metrics = append(res.Metrics, modes()...)
	})
}

// The values of axis spread: the round-trip times of several flows.
const (
	spreadSame  = "same"
	spreadMixed = "mixed" // one, two, three and four times the path's, in turn
)

// fairness measures flows of the variant that join one after another in the first third of the time.
func (s *stage) fairness(ctx context.Context, r *bulkRun) (harness.Result, error) {
	flows, err := axisNumber(r.cell, "flows", 2)
	if err != nil {
		return harness.Result{}, err
	}
	n := int(flows)
	if n < 2 {
		return harness.Result{}, fmt.Errorf("flows=%d: fairness needs at least two flows", n)
	}
	for i := range n {
		r.add(s, r.member.name, 1, time.Duration(i)*r.budget.Measure/time.Duration(3*n))
	}
	if r.cell.Axis("spread") == spreadMixed {
		r.path.Far = []time.Duration{r.path.RTT, 2 * r.path.RTT, 3 * r.path.RTT}
		for i := range r.flows {
			r.flows[i].From = s.chain.ServerAddrs[i%len(s.chain.ServerAddrs)]
		}
	}
	return r.measure(ctx, s, func(report *tcp.BulkReport, res *harness.Result) {
		report = report.After(r.warm)
		res.Metrics = append(flowMetrics(report, report.Flows), fairnessMetrics(report)...)
	})
}

// Check runs the correctness gate on a member: a flow delivers its data unchanged, uses the link, and reduces its
// rate when the queue is full; a short flow completes.
func (s *stage) Check(ctx context.Context, member string) error {
	m, ok := s.members[member]
	if !ok {
		return s.missing(member)
	}
	if err := m.control.InForce(); err != nil {
		return err
	}
	const length = 3 * time.Second
	r := &bulkRun{
		path:   netlab.Path{Rate: 10e6, RTT: 20 * time.Millisecond, Buffer: 1, Seed: s.seed},
		length: length, verify: true, budget: harness.Budget{Seed: s.seed},
	}
	r.add(s, member, 2, 0)
	r.flows[1].Start, r.flows[1].Size = time.Second, 20_000
	report, err := r.run(ctx, s)
	if errors.Is(err, harness.ErrNotSupported) {
		// A kernel without path emulation: only the delivered data can be checked.
		r.path, r.length = netlab.Path{}, length/3
		r.flows[1].Start = r.length / 2
		report, err = r.run(ctx, s)
	}
	if err != nil {
		return err
	}
	if i, why := report.Wrong(); why != "" {
		return fmt.Errorf("check %s: flow %d %s", member, i+1, why)
	}
	if why := fault(report, r.path); why != "" {
		return fmt.Errorf("check %s: %s", member, why)
	}
	return nil
}

// initialWindow is the congestion window with which the kernel begins, packets (RFC 6928).
const initialWindow = 10

// fault returns what the gate's flows, a long one and a short one, show to be wrong, or "". A path without a rate is one without emulation.
func fault(report *tcp.BulkReport, path netlab.Path) string {
	bulk, short := &report.Flows[0], &report.Flows[1]
	widest := uint32(0)
	for _, s := range bulk.Samples {
		widest = max(widest, s.Window)
	}
	switch {
	case bulk.Goodput(report.Elapsed) < 0.1*path.Rate:
		return fmt.Sprintf("%.3g bit/s of a free link of %.3g: the window does not open", bulk.Goodput(report.Elapsed), path.Rate)
	case path.Rate > 0 && widest <= initialWindow:
		return fmt.Sprintf("the window never grew above the %d packets with which a flow begins (%d at most): is snd_cwnd raised in cong_avoid or cong_control?", initialWindow, widest)
	case bulk.ResentShare() > 0.5:
		return fmt.Sprintf("%.0f %% of the packets are retransmissions: no reaction to losses", 100*bulk.ResentShare())
	case short.Completed == 0 && path.Rate > 0:
		return fmt.Sprintf("20,000 bytes beside another flow did not arrive within %v", report.Elapsed-short.Start)
	}
	return ""
}
