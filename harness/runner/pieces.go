// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/kxlab/kxlab/harness"
)

// A piece is a job with what its guests have reported.
type piece struct {
	job      Job
	name     string // of the group, or "all groups"
	steps    []Step
	groups   map[Mark]string // by Group.String
	gates    *Group          // whose gates the piece checks, if it does nothing else
	events   []event
	recorded int // of the events
	over     bool
	again    map[Mark]bool // steps that are tried again, as the death of their guest said nothing for sure
}

// piecesOf makes the jobs of one repeat, or of all.
func (r *engine) piecesOf(repeat int) []*piece {
	var out []*piece
	work := WorkAll
	if r.Gates > 0 {
		work = WorkTrials
	}
	for _, whole := range r.plan.Groups {
		for part, g := range whole.partsFor(work, r.Parts, nil) {
			s := &piece{name: g.String(), groups: map[Mark]string{}, job: r.job(g.String(), part, r.Parts, repeat, work)}
			r.add(s, &g)
			if len(s.steps) > 0 {
				out = append(out, s)
			}
		}
	}
	return out
}

// job makes a job of a part of a group.
func (r *engine) job(group string, part, parts, repeat int, work Work) Job {
	j := Job{
		Experiment: r.plan.Experiment, Selection: r.selection, Seed: r.Seed, Objects: r.Objects,
		Group: group, Part: part, Parts: parts, Repeat: repeat, Work: work,
	}
	if work != WorkTrials { // a job that says more takes the guest longer to read, which moves digits
		j.Kept = r.kept
	}
	return j
}

// add adds the job's steps of a group to a piece.
func (r *engine) add(s *piece, g *Group) {
	for _, st := range g.Order(r.Seed) {
		if s.job.includes(st) {
			s.steps = append(s.steps, st)
			s.groups[st.mark()] = g.String()
			r.steps[st.mark()] = st
		}
	}
}

// trialPieces cuts the plan into jobs, repeat after repeat where each has guests of its own.
func (r *engine) trialPieces() []*piece {
	if r.Together {
		s := &piece{name: "all groups", groups: map[Mark]string{}, job: r.job("", 0, 0, EveryRepeat, WorkAll)}
		s.job.Together = true
		for i := range r.plan.Groups {
			r.add(s, &r.plan.Groups[i])
		}
		return []*piece{s}
	}
	if !r.EachRepeat {
		return r.piecesOf(EveryRepeat)
	}
	var out []*piece
	for repeat := 0; ; repeat++ {
		more := r.piecesOf(repeat)
		if len(more) == 0 {
			return out
		}
		out = append(out, more...)
	}
}

// runPieces runs the pieces, some side by side. The first error stops the others.
func (r *engine) runPieces(ctx context.Context, pieces []*piece) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := make(chan *piece)
	errs := make([]error, max(1, r.Parallel))
	var workers sync.WaitGroup
	for i := range errs {
		workers.Go(func() {
			for s := range next {
				if errs[i] != nil {
					continue
				}
				if errs[i] = r.inTurn(ctx, s); errs[i] != nil {
					cancel()
				}
			}
		})
	}
	for _, s := range pieces {
		next <- s
	}
	close(next)
	workers.Wait()
	// The error is that of the piece that stopped the others, not that they were stopped.
	if cause := harness.Filter(errs, func(err error) bool { return err != nil && !errors.Is(err, context.Canceled) }); len(cause) > 0 {
		return errors.Join(cause...)
	}
	return errors.Join(errs...)
}

// inTurn runs a piece when its turn has come. One of which nothing is run waits for none.
func (r *engine) inTurn(ctx context.Context, s *piece) error {
	if r.Turn != nil && !r.allFailed(s) {
		end, err := r.Turn(ctx, s.job.Repeat)
		if err != nil {
			return err
		}
		defer end()
	}
	return r.piece(ctx, s)
}

// more reports whether any step of the job is still to be made.
func (s *piece) more() bool { return slices.ContainsFunc(s.steps, s.job.includes) }
