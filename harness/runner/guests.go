// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A Boot runs a job in a guest of its own: there Inside is called, and all that it tells is written to the Guest. It returns
// when the guest is gone. An error says what became of a guest that did not end well.
type Boot func(ctx context.Context, j Job, to *Guest) error

// NoGuest marks an error of a Boot that could not start a guest at all. Unlike a death it is nobody's trial, and ends the run.
func NoGuest(err error) error { return &noGuest{err} }

type noGuest struct{ err error }

func (e *noGuest) Error() string { return e.err.Error() }
func (e *noGuest) Unwrap() error { return e.err }

// GuestOptions configure a run in guests.
type GuestOptions struct {
	Record Recorder
	Seed   uint64
	// Parallel is how many guests run side by side; 0: 1. More than one is for a target whose numbers do not depend on
	// the machine's load.
	Parallel int
	// Parts is into how many jobs a group is cut; 0: 1.
	Parts int
	// Together gives all groups one guest, one after another, where booting takes long; Parallel, Parts and EachRepeat mean nothing then.
	Together bool
	// EachRepeat gives every repeat of a group a guest of its own, booted with another seed.
	EachRepeat bool
	// Gates is how many guests check the gates of a group, which then no other does; 0: each guest checks its own members.
	Gates int
	// Patience is how much longer than ten times its budget a trial may take by this machine's clock before its guest is ended; 0: as
	// watch says.
	Patience time.Duration
	Progress *Progress
	Boot     Boot
}

// RunGuests measures the plan in guests, a group, a part of one or a repeat of either in each. What guests tell is recorded in the plan's
// order whichever ends first, so that two runs with the same numbers have the same record. A guest that dies costs the
// trial that it was making, which is recorded as invalid with the cause; another guest goes on with the rest.
func RunGuests(ctx context.Context, p *Plan, selection Selection, o GuestOptions) (Summary, error) {
	r := &guests{
		GuestOptions: o, ctx: ctx, plan: p, cells: cellStates{}, steps: map[Mark]Step{}, passed: map[string]bool{},
		Summary: Summary{Planned: p.Trials(), GateFailed: map[string]string{}},
	}
	started := time.Now()
	o.Progress.begin(p)
	defer o.Progress.end()
	r.shards = append(r.gateShards(selection), r.cut(selection)...)
	err := r.all(ctx, r.shards)
	r.Wall = time.Since(started)
	r.Holes, r.Planned = r.cells.holes(p), r.cells.possible(p)
	return r.Summary, err
}

// guests is a run in guests under way. Its lock guards all but the options and the plan.
type guests struct {
	GuestOptions
	Summary
	ctx   context.Context
	plan  *Plan
	steps map[Mark]Step

	mu     sync.Mutex
	shards []*shard
	at     int // the first shard that is not over and recorded
	order  int // trials recorded
	cells  cellStates
	passed map[string]bool // GROUP/VARIANT: gates that were passed
	failed error           // to record
}

// A shard is a job with what its guests have told.
type shard struct {
	job    Job
	name   string // of the group, or of what it is of several
	steps  []Step
	groups map[Mark]string // by Group.String
	// members are those whose gates are checked, of a shard that does nothing else.
	members []Member
	told    []event
	passed  int // events recorded
	over    bool
}

// shardsOf makes the jobs of one repeat, or of all.
func (r *guests) shardsOf(selection Selection, repeat int) []*shard {
	var out []*shard
	half := Whole
	if r.Gates > 0 {
		half = OnlyTrials
	}
	for _, whole := range r.plan.Groups {
		for part, g := range whole.partsFor(half, r.Parts) {
			s := &shard{name: g.String(), groups: map[Mark]string{}, job: Job{
				Experiment: r.plan.Experiment, Selection: selection, Seed: r.Seed,
				Group: g.String(), Part: part, Parts: r.Parts, Repeat: repeat, Half: half,
			}}
			r.give(s, &g)
			if len(s.steps) > 0 {
				out = append(out, s)
			}
		}
	}
	return out
}

// give adds a group's steps to what a shard is to make.
func (r *guests) give(s *shard, g *Group) {
	for _, st := range g.Order(r.Seed) {
		if s.job.wants(st) {
			s.steps = append(s.steps, st)
			s.groups[st.mark()] = g.String()
			r.steps[st.mark()] = st
		}
	}
}

// together makes one job of the whole plan.
func (r *guests) together(selection Selection) *shard {
	s := &shard{name: "all groups", groups: map[Mark]string{}, job: Job{
		Experiment: r.plan.Experiment, Selection: selection, Seed: r.Seed, Together: true, Repeat: EveryRepeat,
	}}
	for i := range r.plan.Groups {
		r.give(s, &r.plan.Groups[i])
	}
	return s
}

// cut cuts the plan into jobs, repeat after repeat where each has guests of its own.
func (r *guests) cut(selection Selection) []*shard {
	if r.Together {
		return []*shard{r.together(selection)}
	}
	if !r.EachRepeat {
		return r.shardsOf(selection, EveryRepeat)
	}
	var out []*shard
	for repeat := 0; ; repeat++ {
		more := r.shardsOf(selection, repeat)
		if len(more) == 0 {
			return out
		}
		out = append(out, more...)
	}
}

// all runs the shards, some side by side, and returns the first error.
func (r *guests) all(ctx context.Context, shards []*shard) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := make(chan *shard)
	errs := make(chan error, max(1, r.Parallel))
	for range max(1, r.Parallel) {
		go func() {
			var err error
			for s := range next {
				if err == nil {
					if err = r.shard(ctx, s); err != nil {
						cancel()
					}
				}
			}
			errs <- err
		}()
	}
	for _, s := range shards {
		next <- s
	}
	close(next)
	var all []error
	for range max(1, r.Parallel) {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// maxDeaths is how many guests of a job may die in a row while they set a group up before the group's trials are given up.
const maxDeaths = 2

// shard runs one job to its end, in as many guests as it takes.
func (r *guests) shard(ctx context.Context, s *shard) error {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		s.over = true
		r.flush()
	}()
	if s.job.Half == OnlyGates {
		return r.gates(ctx, s)
	}
	for deaths := 0; ; {
		made := len(s.job.Done)
		g, died, err := r.boot(ctx, s)
		if err != nil {
			return err
		}
		switch {
		case died == nil:
			return r.failure()
		case g.begun != nil:
			g.reject(*g.begun, died.Error())
			s.job.Done = append(s.job.Done, *g.begun)
		case len(s.job.Done) == made:
			if deaths++; deaths == maxDeaths {
				g.giveUp(died.Error())
			}
		}
		if len(s.job.Done) > made {
			deaths = 0
		}
		if err := r.failure(); err != nil {
			return err
		}
		if !s.more() {
			return nil
		}
	}
}

// boot runs a job in one guest. Died is what that died of, nil if it did all that it was to do; err is what ends the run.
func (r *guests) boot(ctx context.Context, s *shard) (g *Guest, died, err error) {
	w, wctx := newWatch(ctx, r.plan.Target, r.Patience)
	g = &Guest{run: r, shard: s, watch: w}
	died = r.Boot(wctx, s.job, g)
	if late := w.end(); late != nil {
		died = late
	}
	if ctx.Err() != nil {
		return g, nil, ctx.Err()
	}
	if died == nil && g.end == nil {
		died = errors.New("the guest ended without a word")
	}
	var none *noGuest
	switch {
	case errors.As(died, &none):
		return g, nil, died
	case died == nil && g.end.Error != "":
		return g, nil, fmt.Errorf("%s: in the guest: %s", s.name, g.end.Error)
	}
	return g, died, nil
}

// giveUp rejects what is left of the group that the guest did not get set up, or of all if it did not get that far.
func (g *Guest) giveUp(reason string) {
	reason = "the guests died before they began a trial: " + reason
	for _, st := range g.shard.steps {
		m := st.mark()
		if !g.shard.job.wants(st) || g.group != nil && g.shard.groups[m] != *g.group {
			continue
		}
		g.reject(m, reason)
		g.shard.job.Done = append(g.shard.job.Done, m)
		reason, _, _ = strings.Cut(reason, "\n") // once with the console, for the others without
	}
}

// more tells whether any step of the job is still to be made.
func (s *shard) more() bool {
	for _, st := range s.steps {
		if s.job.wants(st) {
			return true
		}
	}
	return false
}

func (r *guests) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}
