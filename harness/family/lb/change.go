// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/exact"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/mark"
	"github.com/kxlab/kxlab/harness/sys"
	"github.com/kxlab/kxlab/harness/tcp"
)

// update measures the time to change one backend of one service, and to change all services: the mean over half the
// budget each (target exact: the median). Afterwards the services are as before.
func (s *stage) update(ctx context.Context, m *member, _ harness.Cell, b harness.Budget) (r harness.Result, err error) {
	if m.class == harness.ClassCeiling {
		return r, harness.Skip("a class without a balancer has no services to change")
	}
	defer func() {
		err = errors.Join(err, m.balancer.Sync(context.WithoutCancel(ctx), m.services))
	}()
	wanted := m.target()
	one := wanted
	one.Backends = slices.Clone(wanted.Backends)
	one.Backends[0] = wanted.Spare[0]
	one.Spare = []service.Backend{wanted.Backends[0]}
	other, err := services(m.class, s.family, s.count, 1, s.segment.Reals)
	if err != nil {
		return r, err
	}
	update, n, err := s.averageChange(ctx, b, "insn/update", exactChanges, nil, func(i int) error {
		return m.balancer.Update(ctx, []service.Service{one, wanted}[i%2])
	})
	if err != nil {
		return r, fmt.Errorf("change one backend: %w", err)
	}
	sync, k, err := s.averageChange(ctx, b, "insn/sync", exactChanges, nil, func(i int) error {
		return m.balancer.Sync(ctx, [][]service.Service{other, m.services}[i%2])
	})
	if err != nil {
		return r, fmt.Errorf("change all services: %w", err)
	}
	return harness.Result{
		Iterations: int64(n),
		Measured:   update*time.Duration(n) + sync*time.Duration(k),
		Metrics:    []harness.Metric{{Unit: "sec/update", Value: update.Seconds()}, {Unit: "sec/sync", Value: sync.Seconds()}},
	}, nil
}

// start measures the time to set all services where there are none, as after a boot.
func (s *stage) start(ctx context.Context, m *member, _ harness.Cell, b harness.Budget) (r harness.Result, err error) {
	if m.class == harness.ClassCeiling {
		return r, harness.Skip("a class without a balancer has no services to set")
	}
	defer func() {
		err = errors.Join(err, m.balancer.Sync(context.WithoutCancel(ctx), m.services))
	}()
	one, n, err := s.averageChange(ctx, b, "insn/sync", 1, func() error { return m.balancer.Sync(ctx, nil) }, func(int) error {
		return m.balancer.Sync(ctx, m.services)
	})
	if err != nil {
		return r, fmt.Errorf("set all services: %w", err)
	}
	return harness.Result{
		Iterations: int64(n), Measured: one * time.Duration(n), Metrics: []harness.Metric{{Unit: "sec/sync", Value: one.Seconds()}},
	}, nil
}

// averageChange repeats a change for at least half the budget, at least once, and returns the time of one: the mean,
// or on target exact the median of at least some, with nothing else on the CPU. Instructions are counted in the unit. before, if not nil,
// runs before each change and is not counted.
func (s *stage) averageChange(ctx context.Context, b harness.Budget, unit string, least int, before func() error, change func(i int) error) (one time.Duration, n int, err error) {
	var each []time.Duration
	repeat := func() error {
		for start := time.Now(); len(each) == 0 || time.Since(start) < b.Measure/2 || s.exact && len(each) < least; {
			if err := ctx.Err(); err != nil {
				return err
			}
			if before != nil {
				if err := before(); err != nil {
					return err
				}
			}
			mark.Skip()
			began := time.Now()
			if err := change(len(each)); err != nil {
				return err
			}
			each = append(each, time.Since(began))
			mark.Lap()
		}
		return nil
	}
	defer b.Window()()
	mark.Begin()
	defer exact.End(b.Counted, harness.CountedWindow{Unit: unit, Amount: 1, Laps: true})
	if s.exact {
		err = sys.Alone(repeat)
	} else {
		err = repeat()
	}
	if err != nil {
		return 0, 0, err
	}
	if s.exact {
		slices.Sort(each)
		return each[len(each)/2], len(each), nil
	}
	for _, d := range each {
		one += d / time.Duration(len(each))
	}
	return one, len(each), nil
}

// churnConnections is the number of live connections while backends change, limited by the descriptors of this
// process (two a connection) less churnSpare.
const (
	churnConnections = 10_000
	churnSpare       = 300
	// churnExact is the number on target exact, where a connection costs more than 10^5 instructions a round.
	churnExact = 400
)

// churn adds, drains and removes a backend under live connections and counts broken connections. Only those of the
// removed backend are unavoidable.
func (s *stage) churn(ctx context.Context, m *member, _ harness.Cell, b harness.Budget) (r harness.Result, err error) {
	if m.class == harness.ClassCeiling {
		return r, harness.Skip("a class without a balancer has no backends to change")
	}
	wanted := m.target()
	defer func() {
		err = errors.Join(err, m.balancer.Update(context.WithoutCancel(ctx), wanted))
	}()
	// One CPU receives all packets of a connection, as with a receive queue of a NIC: flow tables may be per CPU.
	if m.class != "socket" {
		thread, err := m.host.Thread(cpuOr(balancerCPU))
		if err != nil {
			return r, fmt.Errorf("assign the balancer a NAPI thread: %w", err)
		}
		defer thread.Close()
	}
	limit, err := tcp.MaxPool()
	if err != nil {
		return r, fmt.Errorf("read the limit of connections: %w", err)
	}
	live := min(churnConnections, limit-churnSpare)
	if b.Exact {
		live = min(churnExact, live)
	}
	watch, err := startStopwatch(b.Exact)
	if err != nil {
		return r, err
	}
	defer watch.Close()
	defer b.Window()()
	mark.Begin()
	pool, opened, err := tcp.OpenPool(ctx, s.load(m), live)
	if err != nil {
		return r, fmt.Errorf("open connections: %w", err)
	}
	defer pool.Close()
	if opened.Broken > 0 {
		r.Invalid = fmt.Sprintf("%d of %d connections could not be opened: %v", opened.Broken, live, opened.Why)
		return r, nil
	}
	leaving := wanted.Backends[len(wanted.Backends)-1]
	onLeaving := 0
	if i := s.realIndex(leaving); i >= 0 && i < len(opened.PerReal) {
		onLeaving = opened.PerReal[i]
	}
	var broken, moved int
	for _, step := range churnSteps(wanted, leaving) {
		if err := m.balancer.Update(ctx, step.service); err != nil {
			return r, fmt.Errorf("%s: %w", step.name, err)
		}
		report, err := pool.Probe(ctx)
		if err != nil {
			return r, fmt.Errorf("probe connections after %s: %w", step.name, err)
		}
		broken += report.Broken
		moved += report.Moved
		r.Series = append(r.Series, harness.Series{Name: "broken after " + step.name, Unit: "connections",
			Y: []float64{float64(report.Broken)}})
	}
	r.Iterations = int64(live)
	if r.Measured, err = watch.busy(); err != nil {
		return r, err
	}
	exact.End(b.Counted, harness.CountedWindow{Unit: "insn/op", Amount: float64(live)})
	r.Metrics = []harness.Metric{
		{Unit: "broken/op", Value: float64(broken)},
		{Unit: "moved-share", Value: float64(broken+moved) / float64(live)},
		{Unit: "excess-share", Value: excess(broken+moved, onLeaving, live)},
	}
	return r, nil
}

// excess returns the share of live connections that were lost avoidably: all lost ones less the unavoidable, which
// are those on the removed backend.
func excess(lost, unavoidable, live int) float64 {
	return float64(max(0, lost-unavoidable)) / float64(live)
}

// realIndex returns the index of a backend among the segment's reals, or -1.
func (s *stage) realIndex(b service.Backend) int {
	for i, real := range s.segment.Reals {
		if a := b.Addr.Addr(); a == real.Addr4.Addr() || a == real.Addr6.Addr() {
			return i
		}
	}
	return -1
}

// A churnStep is one change of the target service.
type churnStep struct {
	name    string
	service service.Service
}

// churnSteps returns the steps: add the spare backend, drain the leaving one, remove it.
func churnSteps(wanted service.Service, leaving service.Backend) []churnStep {
	added := wanted
	added.Backends = append(slices.Clone(wanted.Backends), wanted.Spare...)
	added.Spare = nil
	drained := added
	drained.Backends = slices.Clone(added.Backends)
	removed := added
	at := slices.IndexFunc(added.Backends, func(b service.Backend) bool { return b.Addr == leaving.Addr })
	drained.Backends[at].Weight = 0
	removed.Backends = slices.Delete(slices.Clone(added.Backends), at, at+1)
	removed.Spare = []service.Backend{leaving}
	return []churnStep{{"a backend is added", added}, {"one is drained", drained}, {"it is removed", removed}}
}
