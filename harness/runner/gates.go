// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// byMembers cuts a group into n with some of its members each, and their cells. With fewer members than n there are fewer.
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
			cells := b.Cells
			b.Cells = nil
			for _, c := range cells {
				if mine[c.Variant] {
					b.Cells = append(b.Cells, c)
				}
			}
			if len(b.Cells) > 0 {
				out[i].Blocks = append(out[i].Blocks, b)
			}
		}
	}
	return out
}

// partsFor cuts a group into what the guests of a run have of it.
func (g Group) partsFor(work Work, n int) []Group {
	if work == WorkGates {
		return g.byMembers(n)
	}
	return g.parts(n)
}

// gateShards are the jobs that check gates, if that is for guests of their own.
func (r *engine) gateShards() []*shard {
	var out []*shard
	if r.Gates == 0 {
		return nil
	}
	for _, whole := range r.plan.Groups {
		for part, g := range whole.partsFor(WorkGates, r.Gates) {
			out = append(out, &shard{name: g.String(), gates: &g, job: Job{
				Experiment: r.plan.Experiment, Selection: r.selection, Seed: r.Seed,
				Group: g.String(), Part: part, Parts: r.Gates, Repeat: EveryRepeat, Work: WorkGates,
			}})
		}
	}
	return out
}

// checkGates runs a job that checks gates, in a second guest if the first dies. If that dies, too, its members have no number:
// what the guests died of may be the doing of any of them.
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
			why = firstLine(why) // once with the console
		}
	}
	r.flush()
	return r.failed
}

// reportsGate tells whether a guest has reported how a member's gate ended. The lock is held.
func (s *shard) reportsGate(member string) bool {
	for _, e := range s.events {
		if e.Gate != nil && e.Gate.Variant == member {
			return true
		}
		if e.Outcome == nil {
			continue
		}
		for _, c := range s.gates.cells(member) {
			if c.BenchName() == e.Outcome.Cell {
				return true
			}
		}
	}
	return false
}
