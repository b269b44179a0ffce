// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/tcp"
)

// swapShare is the share of the time in which swaps happen: flows start before and continue afterwards.
const swapShare = 0.6

// lateFlows is the number of flows that start during the swaps, which use the new operations.
const lateFlows = 5

// swap replaces the variant by itself repeatedly under running flows and compares every delivered byte. The number of
// sockets that use the present operations is read before and after each swap: connected sockets keep their
// operations.
func (s *stage) swap(ctx context.Context, r *bulkRun) (harness.Result, error) {
	flows, err := axisNumber(r.cell, "flows", 10)
	if err != nil {
		return harness.Result{}, err
	}
	swaps, err := axisNumber(r.cell, "swaps", 20)
	if err != nil {
		return harness.Result{}, err
	}
	r.verify = true
	r.add(s, r.member.name, int(flows), 0)
	first := r.budget.Measure / 5
	span := time.Duration(swapShare * float64(r.budget.Measure))
	for i := range lateFlows {
		r.add(s, r.member.name, 1, first+time.Duration(i+1)*span/(lateFlows+1))
	}
	sw := newSwapper(ctx, r.member, int(swaps), first, span/time.Duration(swaps))
	report, err := r.run(ctx, s)
	took, sockets, serr := sw.stop()
	if errors.Is(serr, harness.ErrNotSupported) {
		return harness.Result{}, serr
	}
	if err := errors.Join(err, serr); err != nil {
		return harness.Result{}, fmt.Errorf("after %d of %d swaps: %w", len(took), int(swaps), err)
	}
	res := harness.Result{Iterations: int64(len(took)), Measured: report.Elapsed, Series: append(flowSeries(report, r.names), sockets[:]...)}
	broken, lost := 0, int64(0)
	for i := range report.Flows {
		f := &report.Flows[i]
		if why := explainLate(f, first); why != "" {
			res.Invalid = fmt.Sprintf("flow %d %s", i+1, why)
		}
		if f.Wrong != "" {
			broken++
			res.Series = append(res.Series, harness.Series{Name: fmt.Sprintf("broken/%d", i+1), Unit: "op", Y: []float64{1}, Notes: f.Wrong})
		}
		lost += f.Lost
	}
	if res.Invalid == "" && len(took) != int(swaps) {
		res.Invalid = fmt.Sprintf("only %d of %d swaps were made in time", len(took), int(swaps))
	}
	if res.Invalid != "" {
		return res, nil
	}
	slices.Sort(took)
	res.Metrics = []harness.Metric{
		{Unit: "p50-sec", Value: tcp.Quantile(took, 0.50).Seconds()},
		{Unit: "p99-sec", Value: tcp.Quantile(took, 0.99).Seconds()},
		{Unit: "broken/op", Value: float64(broken) / float64(len(took))},
		{Unit: "lost-B", Value: float64(lost)},
	}
	return res, nil
}

// explainLate returns why a flow did not run before the swaps began; empty if it did. If the queue is too small for
// the first windows of all flows, SYNs are dropped, and each retransmission costs a second or more.
func explainLate(f *tcp.FlowReport, first time.Duration) string {
	switch {
	case f.Start >= first || 0 < f.Connected && f.Connected < first:
		return ""
	case f.Wrong != "":
		return "did not run when swaps began: " + f.Wrong
	case f.Connected == 0:
		return "never connected: give the path more buffer, or run fewer flows"
	}
	return fmt.Sprintf("connected after %v only, when swaps had begun: give the path more buffer, or run fewer flows", f.Connected.Round(time.Millisecond))
}

// A swapper replaces a member by itself repeatedly, on a goroutine of its own, so that flows do not wait for it.
type swapper struct {
	member       *member
	n            int
	first, every time.Duration

	end       chan struct{}
	done      chan struct{}
	durations []time.Duration
	sockets   [2]harness.Series // before and after each swap
	err       error
}

// newSwapper starts a swapper of n swaps.
func newSwapper(ctx context.Context, m *member, n int, first, every time.Duration) *swapper {
	w := &swapper{member: m, n: n, first: first, every: every, end: make(chan struct{}), done: make(chan struct{})}
	w.sockets[0] = harness.Series{Name: "sockets-before", Unit: "op", Notes: "X: sec; Y: sockets that use the operations about to be replaced"}
	w.sockets[1] = harness.Series{Name: "sockets-after", Unit: "op", Notes: "X: sec; Y: sockets that use the operations just put in their place"}
	go w.run(ctx)
	return w
}

func (w *swapper) run(ctx context.Context) {
	defer close(w.done)
	begin := time.Now()
	for i := range w.n {
		select {
		case <-w.end:
			return
		case <-ctx.Done():
			return
		case <-time.After(time.Until(begin.Add(w.first + time.Duration(i)*w.every))):
		}
		w.countSockets(0, time.Since(begin))
		start := time.Now()
		if w.err = w.member.control.Replace(ctx, w.member.variant); w.err != nil {
			return
		}
		w.durations = append(w.durations, time.Since(start))
		w.countSockets(1, time.Since(begin))
	}
}

// countSockets records the number of sockets that use the present operations.
func (w *swapper) countSockets(series int, at time.Duration) {
	if n, err := w.member.control.Counters(); err == nil {
		w.sockets[series].X = append(w.sockets[series].X, roundDigits(at.Seconds()))
		w.sockets[series].Y = append(w.sockets[series].Y, float64(n["sockets"]))
	}
}

// stop stops the swapper and returns the duration of each swap, the numbers of sockets before and after each swap,
// and the swapper's error.
func (w *swapper) stop() ([]time.Duration, [2]harness.Series, error) {
	close(w.end)
	<-w.done
	return w.durations, w.sockets, w.err
}
