// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// A Half is a part of what a guest does with its group. Where each repeat has guests of its own, gates need not be passed in
// each: guests of one run have the same kernel, image and objects, byte for byte. Then some guests check the gates and the
// others measure, and a number counts only if its variant passed in a group of the same name.
type Half string

const (
	Whole      Half = ""       // gates, then trials
	OnlyGates  Half = "gates"  // no trials
	OnlyTrials Half = "trials" // the gates are another guest's
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
func (g Group) partsFor(half Half, n int) []Group {
	if half == OnlyGates {
		return g.byMembers(n)
	}
	return g.parts(n)
}

// gateShards are the jobs that check gates, if that is for guests of their own.
func (r *guests) gateShards(selection Selection) []*shard {
	var out []*shard
	if r.Gates == 0 {
		return nil
	}
	for _, whole := range r.plan.Groups {
		for part, g := range whole.partsFor(OnlyGates, r.Gates) {
			out = append(out, &shard{name: g.String(), members: g.Members, job: Job{
				Experiment: r.plan.Experiment, Selection: selection, Seed: r.Seed,
				Group: g.String(), Part: part, Parts: r.Gates, Repeat: EveryRepeat, Half: OnlyGates,
			}})
		}
	}
	return out
}

// gates runs a job that checks gates, in a second guest if the first dies. If that dies, too, none of its members has passed.
func (r *guests) gates(ctx context.Context, s *shard) error {
	var why string
	for range maxDeaths {
		_, died, err := r.boot(ctx, s)
		if err != nil {
			return err
		}
		if died == nil {
			return r.failure()
		}
		why = "the guest that checked it died: " + died.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	failed := map[string]string{}
	for _, m := range s.members {
		if !r.told(s, m.Name) {
			failed[m.Name] = why
			s.told = append(s.told, event{Gate: &record.Gate{Variant: m.Name, Where: s.name, Detail: why}})
			why, _, _ = strings.Cut(why, "\n") // once with the console
		}
	}
	s.told = append(s.told, event{End: &ending{GateFailed: failed}})
	r.flush()
	return r.failed
}

// told tells whether a guest has said how a member's gate ended. The lock is held.
func (r *guests) told(s *shard, member string) bool {
	for _, e := range s.told {
		if e.Gate != nil && e.Gate.Variant == member {
			return true
		}
	}
	return false
}

// ungated says why a trial's variant has not passed its gate in this run, or "". The lock is held.
func (r *guests) ungated(where string, c harness.Cell) string {
	if why := r.GateFailed[c.Variant]; why != "" {
		return "gate: " + why
	}
	if r.Gates > 0 && !r.passed[where+"/"+c.Variant] {
		return "gate: no guest of this run checked it"
	}
	return ""
}
