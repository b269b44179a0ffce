// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/netlab"
)

// Family is the family of congestion controls. All members of a group are registered at once, each under its own
// name, and share one chain, whose path each trial configures.
type Family struct{ Loader *bpfobj.Loader }

// Methods names the ways to put a congestion control in force.
func (f Family) Methods() []string { return methods(f.Loader).Names() }

// A measurement measures one trial of one workload.
type measurement func(ctx context.Context, r *bulkRun) (harness.Result, error)

// workloads is the table of workloads, by name in an experiment's definition.
func (s *stage) workloads() map[string]measurement {
	return map[string]measurement{
		"coexist":     s.coexist,
		"random-loss": s.oneFlow,
		"shallow":     s.likeFlows,
		"sawtooth":    s.sawtooth,
		"bufferbloat": s.likeFlows,
		"ecn":         s.likeFlows,
		"fairness":    s.fairness,
		"short-flows": s.shortFlows,
		"step":        s.step,
		"equivalence": s.equivalence,
		"swap":        s.swap,
		"loopback":    s.loopback,
	}
}

// Workloads returns the names of the family's workloads, sorted.
func (Family) Workloads() []string { return slices.Sorted(maps.Keys((&stage{}).workloads())) }

// A stage is a chain with the members of a group in force.
type stage struct {
	methods harness.Methods[CongestionControl]
	chain   *netlab.Chain
	members map[string]*member
	absent  map[string]error
	seed    uint64
}

// A member is one variant in force.
type member struct {
	name     string
	variant  harness.Variant
	original string // the variant whose behaviour it should equal, or ""
	control  CongestionControl
}

// Prepare builds the chain and puts every member in force.
func (f Family) Prepare(ctx context.Context, g harness.Group) (_ harness.Stage, err error) {
	if len(g.Axes) > 0 {
		return nil, fmt.Errorf("axis %s cannot be an axis of groups: each trial configures the path", g.Axes[0].Name)
	}
	s := &stage{methods: methods(f.Loader), members: map[string]*member{}, absent: map[string]error{}, seed: g.Seed}
	if s.chain, err = netlab.NewChain(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	site := harness.Site{NS: s.chain.Server.NSPath, Seed: g.Seed}
	for _, m := range g.Members {
		g.Begin(m)
		control, err := s.methods.Put(ctx, m.Variant, site)
		if err == nil {
			s.members[m.Name] = &member{name: m.Name, variant: m.Variant, original: m.Original, control: control}
		} else if ctx.Err() != nil {
			return nil, ctx.Err()
		} else {
			s.absent[m.Name] = err
		}
	}
	return s, nil
}

// Absent returns the errors of members that could not be put in force.
func (s *stage) Absent() map[string]error { return s.absent }

// missing returns the reason that a member is not in force.
func (s *stage) missing(member string) error {
	if err := s.absent[member]; err != nil {
		return err
	}
	return fmt.Errorf("no member %q in this group", member)
}

// Measure measures one cell: the member must be in force before and after, or the trial does not count.
func (s *stage) Measure(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	m, ok := s.members[c.Variant]
	if !ok {
		return harness.Result{}, s.missing(c.Variant)
	}
	measure, ok := s.workloads()[c.Workload]
	if !ok {
		return harness.Result{}, fmt.Errorf("unknown workload %q", c.Workload)
	}
	if err := m.control.InForce(); err != nil {
		return harness.Result{}, fmt.Errorf("before the trial: %w", err)
	}
	if err := s.chain.ECN(pathMarks(c)); err != nil {
		return harness.Result{}, err
	}
	run, err := newRun(m, c, b)
	if err != nil {
		return harness.Result{}, err
	}
	r, err := measure(ctx, run)
	if err != nil {
		return r, err
	}
	if err := m.control.InForce(); err != nil {
		r.Invalid = fmt.Sprintf("fell out of force during the trial: %v", err)
	}
	return r, nil
}

// algorithm returns the name with which sockets select a variant: that of the group's member, else the variant's own
// name, for the kernel's own algorithms.
func (s *stage) algorithm(name string) string {
	if m, ok := s.members[name]; ok {
		return m.control.Algorithm()
	}
	return name
}

// Close unregisters every member and removes the chain.
func (s *stage) Close() error {
	var errs []error
	for name, m := range s.members {
		errs = append(errs, harness.TakeDown(name, m.control.Close()))
	}
	if s.chain != nil {
		errs = append(errs, s.chain.Close())
	}
	return errors.Join(errs...)
}
