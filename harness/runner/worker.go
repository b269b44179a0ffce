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
)

// A worker sets up groups and makes trials, in this process or in a guest, and reports each step. It keeps no numbers.
type worker struct {
	plan    *Plan
	groups  []Group
	family  harness.Family
	seed    uint64
	exact   bool            // the clock counts instructions
	guest   bool            // this machine is a guest of the lab
	work    Work            // what is done
	counted bool            // instructions are counted by address
	sampler OpenSampler     // samples the stacks of each trial; nil: they are not sampled
	kept    keptGates       // gates that are not checked
	filter  func(Step) bool // restricts to some of the steps; nil: all
	// patience is how much longer than ten times its budget a trial may take.
	patience time.Duration
	steal    func() (time.Duration, error) // reads the CPU time that other guests took so far
	send     sender

	decided   map[string]bool // cells that are not to be measured
	exhausted map[string]bool // cells of which a trial took all attempts: from then on each gets one
}

// run works through the groups. It stops when ctx is done. When it returns, everything that was set up has been taken down.
func (w *worker) run(ctx context.Context) error {
	w.decided, w.exhausted = map[string]bool{}, map[string]bool{}
	for i := range w.groups {
		if err := w.group(ctx, &w.groups[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) phase(what string) error { return w.send(event{Phase: strings.TrimSpace(what)}) }

// group sets a group up, checks its members and measures its cells.
func (w *worker) group(ctx context.Context, g *Group) (err error) {
	name := g.String()
	if err := errors.Join(w.send(event{Enter: &name}), w.phase("set up "+name)); err != nil {
		return err
	}
	stage, err := w.family.Prepare(ctx, w.prepare(g))
	switch {
	case ctx.Err() != nil:
		if err == nil {
			err = stage.Close()
		}
		return errors.Join(ctx.Err(), err)
	case errors.Is(err, harness.ErrNotSupported):
		o, _ := decide("", harness.AtSetup, err)
		return errors.Join(w.decide(g, o), w.send(event{Ready: true}))
	case err != nil:
		return fmt.Errorf("set up %s: %w", g, err)
	}
	defer func() {
		perr := w.phase("take down " + name)
		if cerr := w.takeDown(g, stage); cerr != nil {
			err = errors.Join(err, fmt.Errorf("take down %s: %w", g, cerr))
		}
		if err == nil {
			err = perr
		}
	}()
	if err := w.gates(ctx, g, stage); err != nil {
		return err
	}
	if err := w.send(event{Ready: true}); err != nil || w.work == WorkGates {
		return err
	}
	for _, s := range g.Order(w.seed) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if w.filter != nil && !w.filter(s) || w.decided[s.Cell.BenchName()] {
			continue
		}
		if err := w.step(ctx, stage, s); err != nil {
			return err
		}
	}
	return nil
}

// takeDown closes a stage. A member that does not go out of force as it should has failed; the trials of others count.
func (w *worker) takeDown(g *Group, stage harness.Stage) error {
	failed, errs := harness.TakeDowns(stage.Close())
	for _, f := range failed {
		o := record.CellOutcome{Outcome: harness.OutcomeFailed, Where: harness.AtTakeDown, Reason: f.Err.Error()}
		errs = append(errs, w.decide(g, o, f.Member))
	}
	return errors.Join(errs...)
}

func (w *worker) prepare(g *Group) harness.Group {
	return harness.Group{
		Axes: g.Axes, Seed: w.seed ^ hash("group", g.String()), Exact: w.exact, Guest: w.guest,
		Progress: func(what string) { w.phase(g.String() + ": " + what) },
		Members:  g.Members, Data: w.plan.Experiment.Data,
	}
}

// gates checks every member, unless other guests do, and decides the cells of those that will not be measured.
func (w *worker) gates(ctx context.Context, g *Group, stage harness.Stage) error {
	absent := stage.Absent()
	for _, m := range g.Members {
		if err := absent[m.Name]; err != nil {
			if o, decided := decide(m.Class, harness.AtSetup, err); decided {
				if err := w.decide(g, o, m.Name); err != nil {
					return err
				}
			}
			continue
		}
		if w.kept.have(g, m.Name) {
			continue
		}
		if w.work == WorkTrials {
			if m.Class == harness.ClassBroken { // its cells are decided by the guest that checks its gate
				for _, c := range g.cells(m.Name) {
					w.decided[c.BenchName()] = true
				}
			}
			continue
		}
		if err := w.gate(ctx, g, stage, m); err != nil {
			return err
		}
	}
	return nil
}

// In the phases of a member's set-up and gate, these stand between the group and the member.
const (
	setupPhase = ": " + harness.PhaseSetUp
	checkPhase = ": check "
)

// A point is where a member can crash a guest.
type point struct {
	member string // "": at none
	where  string // harness.AtSetup or harness.AtGate
}

// pointOf reads a phase.
func pointOf(phase string) point {
	for between, where := range map[string]string{setupPhase: harness.AtSetup, checkPhase: harness.AtGate} {
		if _, member, ok := strings.Cut(phase, between); ok {
			return point{member, where}
		}
	}
	return point{}
}

// gate checks a member.
func (w *worker) gate(ctx context.Context, g *Group, stage harness.Stage, m Member) error {
	if err := w.phase(g.String() + checkPhase + m.Name); err != nil {
		return err
	}
	cerr := stage.Check(ctx, m.Name)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	o, decided := decide(m.Class, harness.AtGate, cerr)
	if o.Outcome != harness.OutcomeNotSupported {
		gate := record.Gate{Variant: m.Name, Where: g.String(), Passed: o.Outcome != harness.OutcomeFailed, Detail: o.Reason}
		if err := w.send(event{Gate: &gate}); err != nil {
			return err
		}
	}
	if !decided {
		return nil
	}
	return w.decide(g, o, m.Name)
}

// decide reports the outcome of the group's cells, or of the named member's.
func (w *worker) decide(g *Group, o record.CellOutcome, member ...string) error {
	for _, c := range g.cells(member...) {
		o.Cell = c.BenchName()
		w.decided[o.Cell] = true
		if err := w.send(event{Outcome: &o}); err != nil {
			return err
		}
		o.Reason = firstLine(o.Reason)
	}
	return nil
}

// cells are those of the group, or of the named member.
func (g *Group) cells(member ...string) (out []harness.Cell) {
	for _, b := range g.Blocks {
		out = append(out, harness.Filter(b.Cells, func(c harness.Cell) bool { return len(member) == 0 || c.Variant == member[0] })...)
	}
	return out
}
