// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// byMembers cuts a group into n, or one for each member if these are fewer, each with some members and their cells.
func (g Group) byMembers(n int) []Group {
	n = max(1, min(n, len(g.Members)))
	out := make([]Group, n)
	for i := range out {
		out[i].Axes = g.Axes
		mine := map[string]bool{}
		for k, m := range g.Members {
			if k%n == i {
				mine[m.Name] = true
				out[i].Members = append(out[i].Members, m)
			}
		}
		for _, b := range g.Blocks {
			if b.Cells = harness.Filter(b.Cells, func(c harness.Cell) bool { return mine[c.Variant] }); len(b.Cells) > 0 {
				out[i].Blocks = append(out[i].Blocks, b)
			}
		}
	}
	return out
}

// partsFor cuts a group into n parts for guests that do this work. Guests that check gates get no member whose gate is kept.
func (g Group) partsFor(work Work, n int, kept keptGates) []Group {
	if work != WorkGates {
		return g.parts(n)
	}
	g.Members = harness.Filter(g.Members, func(m Member) bool { return !kept.have(&g, m.Name) })
	if len(g.Members) == 0 {
		return nil
	}
	return g.byMembers(n)
}

// gatePieces are the jobs of the guests that only check gates, if there are any.
func (r *engine) gatePieces() (out []*piece) {
	if r.Gates == 0 {
		return nil
	}
	for _, whole := range r.plan.Groups {
		for part, g := range whole.partsFor(WorkGates, r.Gates, r.kept) {
			out = append(out, &piece{name: g.String(), gates: &g, job: r.job(g.String(), part, r.Gates, EveryRepeat, WorkGates)})
		}
	}
	return out
}

// checkGates runs a job that checks gates, in a second guest if the first dies. A member in whose set-up or gate both guests crash has failed, and
// the others go on. If the second dies otherwise, all members without a reported gate are invalid: any of them may be the cause.
func (r *engine) checkGates(ctx context.Context, s *piece) error {
	var why string
	crashed := "" // the member in whose set-up or gate the guest before crashed
	for deaths := 0; deaths < maxDeaths; deaths++ {
		g, died, err := r.boot(ctx, s)
		if err != nil {
			return err
		}
		if died == nil {
			return r.failure()
		}
		if isAbsent(died) {
			why = died.Error()
			break
		}
		at := g.crashedAt(died)
		if at != "" && at == crashed {
			g.fail(died)
			if !slices.ContainsFunc(s.gates.Order(r.Seed), s.job.includes) {
				return r.failure()
			}
			at, deaths = "", -1
		}
		crashed = at
		why = "the guest that checked its gate died: " + died.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range s.gates.Members {
		if s.reportsGate(m.Name) {
			continue
		}
		s.events = append(s.events, event{Gate: &record.Gate{Variant: m.Name, Where: s.name, Detail: why}})
		for _, c := range s.gates.cells(m.Name) {
			s.events = append(s.events, event{Outcome: &record.CellOutcome{
				Cell: c.BenchName(), Outcome: harness.OutcomeInvalid, Where: harness.AtGuest, Reason: why,
			}})
			why = firstLine(why) // only the first has the console
		}
	}
	r.flush()
	return r.failed
}

// crashedAt is the member in whose set-up or gate the guest's kernel crashed; "" if it died otherwise.
func (g *Guest) crashedAt(died error) string {
	var crash *crashError
	if !errors.As(died, &crash) {
		return ""
	}
	return g.at.member
}

// fail decides that a member has failed, in whose set-up or gate this guest has crashed and the one before. No other guest of the job
// sets it up.
func (g *Guest) fail(died error) {
	r, s := g.run, g.piece
	r.mu.Lock()
	defer r.mu.Unlock()
	steps, group := s.steps, s.name
	switch {
	case s.gates != nil:
		steps = s.gates.Order(r.Seed)
	case g.group != nil:
		group = *g.group
	}
	reason := fmt.Sprintf("its %s crashed the guest's kernel, in two guests: %v", g.at.where, died)
	if g.at.where == harness.AtGate {
		s.events = append(s.events, event{Gate: &record.Gate{Variant: g.at.member, Where: group, Detail: reason}})
	}
	decided := map[string]bool{}
	for _, st := range steps {
		m := st.mark()
		if st.Cell.Variant != g.at.member || !s.job.includes(st) || s.gates == nil && s.groups[m] != group {
			continue
		}
		s.job.Done = append(s.job.Done, m)
		r.over(m, 0)
		if decided[m.Cell] {
			continue
		}
		decided[m.Cell] = true
		s.events = append(s.events, event{Outcome: &record.CellOutcome{
			Cell: m.Cell, Outcome: harness.OutcomeFailed, Where: g.at.where, Reason: reason,
		}})
		reason = firstLine(reason) // only the first has the console
	}
	r.flush()
}

// allFailed reports whether all cells of a piece have failed, by what other guests found: then none of it need run. One that has more is
// run whole, since a job that says more moves digits.
func (r *engine) allFailed(s *piece) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, st := range s.steps {
		if d := r.cells.of(st.Cell.BenchName()).decided; d == nil || d.Outcome != harness.OutcomeFailed {
			return false
		}
	}
	for _, st := range s.steps {
		r.over(st.mark(), 0)
	}
	return len(s.steps) > 0
}

// reportsGate reports whether a guest has reported the result of a member's gate. The lock is held.
func (s *piece) reportsGate(member string) bool {
	names := harness.Map(s.gates.cells(member), harness.Cell.BenchName)
	return slices.ContainsFunc(s.events, func(e event) bool {
		return e.Gate != nil && e.Gate.Variant == member || e.Outcome != nil && slices.Contains(names, e.Outcome.Cell)
	})
}
