// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// Split makes two runs of one in which variants a and b were measured in turn: one of a, one of b, each under the name of a. So
// Compare says how b differs from a.
func Split(r *record.Run, a, b string) (old, new *record.Run) {
	return only(r, a, a), only(r, b, a)
}

// only is a run of one variant, under another name.
func only(r *record.Run, variant, name string) *record.Run {
	out := *r
	out.Env.Gates = harness.Filter(r.Env.Gates, func(g record.Gate) bool { return g.Variant == variant })
	out.Trials, out.Env.Outcomes, out.Env.Rejected, out.Env.AA, out.Env.Variants = nil, nil, nil, nil, nil
	for _, t := range r.Trials {
		if t.Cell.Variant == variant {
			t.Cell.Variant = name
			out.Trials = append(out.Trials, t)
		}
	}
	rename := func(cell string) (string, bool) {
		c, err := record.ParseCell(r.Env.Experiment, cell)
		if err != nil || c.Variant != variant {
			return "", false
		}
		c.Variant = name
		return c.BenchName(), true
	}
	for _, o := range r.Env.Outcomes {
		var ok bool
		if o.Cell, ok = rename(o.Cell); ok {
			out.Env.Outcomes = append(out.Env.Outcomes, o)
		}
	}
	out.Stacks = nil
	for _, p := range r.Stacks {
		var ok bool
		if p.Cell, ok = rename(p.Cell); ok {
			out.Stacks = append(out.Stacks, p)
		}
	}
	for _, j := range r.Env.Rejected {
		var ok bool
		if j.Cell, ok = rename(j.Cell); ok {
			out.Env.Rejected = append(out.Env.Rejected, j)
		}
	}
	if i := slices.IndexFunc(r.Env.Variants, func(v harness.Variant) bool { return v.Name == variant }); i >= 0 {
		v := r.Env.Variants[i]
		v.Name = name
		out.Env.Variants = []harness.Variant{v}
	}
	return &out
}
