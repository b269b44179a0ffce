// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
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

// gateShards are the jobs of the guests that only check gates, if there are any.
func (r *engine) gateShards() (out []*shard) {
	if r.Gates == 0 {
		return nil
	}
	for _, whole := range r.plan.Groups {
		for part, g := range whole.partsFor(WorkGates, r.Gates, r.kept) {
			out = append(out, &shard{name: g.String(), gates: &g, job: r.job(g.String(), part, r.Gates, EveryRepeat, WorkGates)})
		}
	}
	return out
}

// checkGates runs a job that checks gates, in a second guest if the first dies. If that dies too, all members without a reported
// gate are invalid: any of them may be the cause.
func (r *engine) checkGates(ctx context.Context, s *shard) error {
	var why string
	for range maxDeaths {
		_, died, err := r.boot(ctx, s)
		if err != nil {
			return err
		}
		if died == nil {
			return r.failure()
		}
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

// reportsGate reports whether a guest has reported the result of a member's gate. The lock is held.
func (s *shard) reportsGate(member string) bool {
	names := harness.Map(s.gates.cells(member), harness.Cell.BenchName)
	return slices.ContainsFunc(s.events, func(e event) bool {
		return e.Gate != nil && e.Gate.Variant == member || e.Outcome != nil && slices.Contains(names, e.Outcome.Cell)
	})
}
