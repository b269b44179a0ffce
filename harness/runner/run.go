// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/sys"
)

// A Recorder writes down what happens; *record.Writer is one.
type Recorder interface {
	Trial(harness.Trial) error
	Skip(c harness.Cell, reason string) error
	Reject(t harness.Trial, reason string) error
	Gate(record.Gate) error
	Steal(time.Duration) error
}

// Options configure a run.
type Options struct {
	Family harness.Family
	Record Recorder
	Seed   uint64
	// Progress shows what is going on; nil: nothing is shown.
	Progress *Progress
	// Patience is how much longer than ten times its budget a trial may take; 0: two minutes.
	Patience time.Duration
	// Exact says that the clock counts instructions (target exact).
	// Guest says that this machine is a guest of the lab.
	Guest bool
	Exact bool
	// Only restricts the run to some of the plan's steps; nil: all of them.
	Only func(Step) bool
	// Half is what is done: gates, trials, or both.
	Half Half
	// Enter is told of every group before it is set up; may be nil.
	Enter func(*Group) error
	// Begin is told of every attempt at a trial before it is made; may be nil.
	Begin func(Step) error
	// Phase is told what is going on between trials; may be nil.
	Phase func(what string)
	// Steal reads the CPU time that other guests took so far, over all CPUs; nil: from this machine.
	Steal func() (time.Duration, error)
}

// A Summary says how a run went.
type Summary struct {
	Planned  int // trials, of cells that were not skipped
	Valid    int // trials that count
	Rejected int // measurements that do not
	Skipped  int // cells
	// GateFailed names the variants that did not do the job correctly, each with the first case it failed.
	GateFailed map[string]string
	// Holes are cells that have no valid trial although they were tried.
	Holes    []string
	Measured time.Duration // spent measuring
	Wall     time.Duration
}

// Share is the part of the wall-clock time that was spent measuring.
func (s Summary) Share() float64 {
	if s.Wall <= 0 {
		return 0
	}
	return s.Measured.Seconds() / s.Wall.Seconds()
}

// Run measures the plan. It stops when ctx is done and returns its error; what was measured until then is recorded. In
// any case everything that was set up has been taken down when it returns.
func Run(ctx context.Context, p *Plan, o Options) (Summary, error) {
	if o.Steal == nil {
		o.Steal = sys.Steal
	}
	r := &run{
		Options: o, plan: p, started: time.Now(), cells: cellStates{},
		Summary: Summary{Planned: p.Trials(), GateFailed: map[string]string{}},
	}
	o.Progress.begin(p)
	defer o.Progress.end()
	before, stealErr := o.Steal()
	var err error
	for i := range p.Groups {
		if err = r.group(ctx, &p.Groups[i]); err != nil {
			break
		}
	}
	if after, aerr := o.Steal(); stealErr == nil && aerr == nil {
		err = errors.Join(err, o.Record.Steal(after-before))
	}
	r.Wall = time.Since(r.started)
	r.Holes, r.Planned = r.cells.holes(p), r.cells.possible(p)
	return r.Summary, err
}

// run is a run under way.
type run struct {
	Options
	Summary
	plan    *Plan
	started time.Time
	order   int // trials begun
	cells   cellStates
}

// phase tells whoever wants to know what is going on.
func (r *run) phase(what string) {
	r.Progress.phase(what)
	if r.Phase != nil {
		r.Phase(what)
	}
}

// group sets a group up, checks its members and measures its cells.
func (r *run) group(ctx context.Context, g *Group) (err error) {
	if r.Enter != nil {
		if err := r.Enter(g); err != nil {
			return err
		}
	}
	r.phase(strings.TrimSpace("set up " + g.String()))
	began := time.Now()
	stage, err := r.Family.Prepare(ctx, r.prepare(g))
	switch {
	case ctx.Err() != nil:
		if err == nil {
			err = stage.Close()
		}
		return errors.Join(ctx.Err(), err)
	case errors.Is(err, harness.ErrNotSupported):
		r.Progress.pass(g)
		return r.drop(g, func(c harness.Cell) error { return r.skip(c, err.Error()) })
	case err != nil:
		return fmt.Errorf("set up %s: %w", g, err)
	}
	defer func() {
		r.phase(strings.TrimSpace("take down " + g.String()))
		if cerr := stage.Close(); cerr != nil {
			err = errors.Join(err, fmt.Errorf("take down %s: %w", g, cerr))
		}
	}()
	failed, err := r.gates(ctx, g, stage)
	if err != nil {
		return err
	}
	r.Progress.setup(time.Since(began))
	if r.Half == OnlyGates {
		return nil
	}
	for _, s := range g.Order(r.Seed) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.Only != nil && !r.Only(s) {
			continue
		}
		if failed[s.Cell.Variant] {
			r.Progress.done(s, 0)
			continue
		}
		if err := r.step(ctx, stage, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) prepare(g *Group) harness.Group {
	hg := harness.Group{
		Axes: g.Axes, Seed: r.Seed ^ hash("group", g.String()), Exact: r.Exact, Guest: r.Guest,
		Progress: func(what string) { r.phase(g.String() + ": " + what) },
	}
	for _, m := range g.Members {
		hg.Members = append(hg.Members, harness.Member{Name: m.Name, Variant: m.Variant})
	}
	return hg
}

// gates checks every member, or takes it that another guest does. It returns those that will not be measured, whose cells it has written down.
func (r *run) gates(ctx context.Context, g *Group, stage harness.Stage) (failed map[string]bool, err error) {
	failed = map[string]bool{}
	absent := stage.Absent()
	for _, m := range g.Members {
		if why, ok := absent[m.Name]; ok {
			failed[m.Name] = true
			if err := r.drop(g, func(c harness.Cell) error { return r.skip(c, why) }, m.Name); err != nil {
				return nil, err
			}
			continue
		}
		if r.Half == OnlyTrials {
			failed[m.Name] = m.Class == harness.ClassBroken
			continue
		}
		r.phase(g.String() + ": check " + m.Name)
		cerr := stage.Check(ctx, m.Name)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed[m.Name] = cerr != nil || m.Class == harness.ClassBroken
		if m.Class == harness.ClassBroken {
			err = r.caught(g, m.Name, cerr)
		} else {
			err = r.gate(g, m.Name, cerr)
		}
		if err != nil {
			return nil, err
		}
	}
	return failed, nil
}

// gate writes down how a member's gate ended.
func (r *run) gate(g *Group, member string, cerr error) error {
	if errors.Is(cerr, harness.ErrNotSupported) {
		return r.drop(g, func(c harness.Cell) error { return r.skip(c, cerr.Error()) }, member)
	}
	gate := record.Gate{Variant: member, Where: g.String(), Passed: cerr == nil}
	if cerr == nil {
		return r.Record.Gate(gate)
	}
	gate.Detail = cerr.Error()
	if err := r.Record.Gate(gate); err != nil {
		return err
	}
	r.Progress.remark("%s did not pass its gate (%s): %v", member, g, cerr)
	if _, ok := r.GateFailed[member]; !ok {
		r.GateFailed[member] = cerr.Error()
	}
	return r.drop(g, func(c harness.Cell) error {
		r.Rejected++
		return r.Record.Reject(harness.Trial{Cell: c, Start: time.Now()}, "gate: "+cerr.Error())
	}, member)
}

// caught writes down how the gate of a member that is broken on purpose ended: it has to fail, and then all is well.
func (r *run) caught(g *Group, member string, cerr error) error {
	if cerr == nil {
		cerr = errors.New("it is broken on purpose, and its gate did not notice")
		return r.gate(g, member, cerr)
	}
	if errors.Is(cerr, harness.ErrNotSupported) {
		return r.gate(g, member, cerr)
	}
	detail := "broken on purpose, and caught: " + cerr.Error()
	if err := r.Record.Gate(record.Gate{Variant: member, Where: g.String(), Passed: true, Detail: detail}); err != nil {
		return err
	}
	first, _, _ := strings.Cut(detail, "\n")
	return r.drop(g, func(c harness.Cell) error { return r.skip(c, first) }, member)
}

// drop calls f for the group's cells, only those of the named members if any are named.
func (r *run) drop(g *Group, f func(harness.Cell) error, members ...string) error {
	for _, b := range g.Blocks {
		for _, c := range b.Cells {
			if len(members) > 0 && c.Variant != members[0] {
				continue
			}
			if err := f(c); err != nil {
				return err
			}
		}
	}
	return nil
}
