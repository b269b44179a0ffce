// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// alone measures one flow on a path.
func (s *stage) alone(ctx context.Context, m *member, c harness.Cell, b harness.Budget) (harness.Result, error) {
	if c.Axis("load") == loadIperf {
		return s.iperf(ctx, m, c, b)
	}
	return s.same(ctx, m, c, b, 1)
}

// alike measures several flows of the variant that start together.
func (s *stage) alike(ctx context.Context, m *member, c harness.Cell, b harness.Budget) (harness.Result, error) {
	n, err := ccNumber(c, "flows", 1)
	if err != nil {
		return harness.Result{}, err
	}
	return s.same(ctx, m, c, b, int(n))
}

func (s *stage) same(ctx context.Context, m *member, c harness.Cell, b harness.Budget, n int) (harness.Result, error) {
	r, err := newRun(c, b)
	if err != nil {
		return harness.Result{}, err
	}
	r.add(s, m.name, n, 0)
	modes := r.watchModes(m)
	report, cost, err := s.counted(ctx, r, b)
	if err != nil {
		return harness.Result{}, err
	}
	res := r.judged(report)
	if res.Invalid != "" {
		return res, nil
	}
	report = report.After(r.warm)
	res.Metrics = append(take(report, report.Flows), cost...)
	res.Metrics = append(res.Metrics, r.windows(report, report.Flows)...)
	res.Metrics = append(res.Metrics, modes()...)
	if n > 1 {
		res.Metrics = append(res.Metrics, fair(report)...)
	}
	return res, nil
}

// coexist measures one flow of the variant beside one of another.
func (s *stage) coexist(ctx context.Context, m *member, c harness.Cell, b harness.Budget) (harness.Result, error) {
	r, err := newRun(c, b)
	if err != nil {
		return harness.Result{}, err
	}
	against := c.Axis("against")
	if why, ok := s.absent[against]; ok {
		return harness.Result{}, fmt.Errorf("%s is not there: %w", against, why)
	}
	r.add(s, m.name, 1, 0)
	r.add(s, against, 1, 0)
	modes := r.watchModes(m)
	report, err := r.run(ctx, s)
	if err != nil {
		return harness.Result{}, err
	}
	res := r.judged(report)
	if res.Invalid != "" {
		return res, nil
	}
	report = report.After(r.warm)
	own, other := report.Flows[0].Goodput(report.Elapsed), report.Flows[1].Goodput(report.Elapsed)
	res.Metrics = append(take(report, report.Flows[:1]), fair(report)...)
	res.Metrics = append(res.Metrics, harness.Metric{Unit: "taken-share", Value: own / max(own+other, 1)})
	res.Metrics = append(res.Metrics, modes()...)
	return res, nil
}

// How round trips of several flows differ.
const (
	spreadSame  = "same"
	spreadMixed = "mixed" // once, twice, three times and four times the path's, in turn
)

// fairness measures flows of the variant that join one after another in the first third of the time.
func (s *stage) fairness(ctx context.Context, m *member, c harness.Cell, b harness.Budget) (harness.Result, error) {
	r, err := newRun(c, b)
	if err != nil {
		return harness.Result{}, err
	}
	flows, err := ccNumber(c, "flows", 2)
	if err != nil {
		return harness.Result{}, err
	}
	n := int(flows)
	if n < 2 {
		return harness.Result{}, fmt.Errorf("flows=%d: one flow has nobody to share with", n)
	}
	for i := range n {
		r.add(s, m.name, 1, time.Duration(i)*b.Measure/time.Duration(3*n))
	}
	if c.Axis("spread") == spreadMixed {
		r.path.Far = []time.Duration{r.path.RTT, 2 * r.path.RTT, 3 * r.path.RTT}
		for i := range r.flows {
			r.flows[i].From = s.chain.ServerAddrs[i%len(s.chain.ServerAddrs)]
		}
	}
	report, err := r.run(ctx, s)
	if err != nil {
		return harness.Result{}, err
	}
	res := r.judged(report)
	if report = report.After(r.warm); res.Invalid == "" {
		res.Metrics = append(take(report, report.Flows), fair(report)...)
	}
	return res, nil
}

// Check runs the correctness gate on a member: a flow of it carries data that arrive unchanged, uses the link, and does not
// drown it when the queue is full; a short one completes.
func (s *stage) Check(ctx context.Context, member string) error {
	m, ok := s.members[member]
	if !ok {
		return s.missing(member)
	}
	if err := m.control.InForce(); err != nil {
		return err
	}
	const length = 3 * time.Second
	r := &ccRun{
		path:   netlab.Path{Rate: 10e6, RTT: 20 * time.Millisecond, Buffer: 1, Seed: s.seed},
		during: length, verify: true, seed: s.seed,
	}
	r.add(s, member, 2, 0)
	r.flows[1].Start, r.flows[1].Size = time.Second, 20_000
	report, err := r.run(ctx, s)
	if errors.Is(err, harness.ErrNotSupported) {
		// A kernel that emulates no path: what is left to check is that it carries data as they are.
		r.path, r.during = netlab.Path{}, length/3
		r.flows[1].Start = r.during / 2
		report, err = r.run(ctx, s)
	}
	if err != nil {
		return err
	}
	if i, why := report.Wrong(); why != "" {
		return fmt.Errorf("check %s: flow %d %s", member, i+1, why)
	}
	bulk, short := &report.Flows[0], &report.Flows[1]
	switch {
	case bulk.Goodput(report.Elapsed) < 0.1*r.path.Rate:
		return fmt.Errorf("check %s: %.3g bit/s of a free link of %.3g: it does not open its window", member, bulk.Goodput(report.Elapsed), r.path.Rate)
	case bulk.ResentShare() > 0.5:
		return fmt.Errorf("check %s: %.0f %% of what it sends it sends again: it does not react to losses", member, 100*bulk.ResentShare())
	case short.Completed == 0 && r.path.Rate > 0:
		return fmt.Errorf("check %s: 20,000 bytes beside another flow did not arrive within %v", member, length-time.Second)
	}
	return nil
}
