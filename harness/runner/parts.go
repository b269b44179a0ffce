// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// parts cuts a group into n of about the same length, or one for each block if these are fewer, each with whole blocks and the
// members that these need. The cut depends on the plan alone, so that every machine makes the same.
func (g Group) parts(n int) []Group {
	n = min(n, len(g.Blocks))
	if n < 2 {
		return []Group{g}
	}
	order := make([]int, len(g.Blocks))
	for i := range order {
		order[i] = i
	}
	length := func(i int) time.Duration {
		b := &g.Blocks[i]
		return time.Duration(len(b.Cells)*b.Repeats) * (b.Warm + b.Measure)
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(length(j), length(i)) }) // the longest first
	chosen, total := make([][]int, n), make([]time.Duration, n)
	for _, i := range order {
		least := slices.Index(total, slices.Min(total))
		chosen[least], total[least] = append(chosen[least], i), total[least]+length(i)
	}
	out := make([]Group, n)
	for p, blocks := range chosen {
		slices.Sort(blocks)
		out[p].Axes = g.Axes
		for _, i := range blocks {
			out[p].Blocks = append(out[p].Blocks, g.Blocks[i])
		}
		out[p].Members = slices.DeleteFunc(slices.Clone(g.Members), func(m Member) bool { return !out[p].has(m.Name) })
	}
	return out
}

// has reports whether the group has cells of a member.
func (g Group) has(member string) bool { return len(g.cells(member)) > 0 }

// restrict leaves out members without a wanted step, which need no set-up and no gate.
func (g Group) restrict(wants func(Step) bool, seed uint64) Group {
	wanted := harness.Filter(g.Order(seed), wants)
	g.Members = harness.Filter(g.Members, func(m Member) bool {
		return slices.ContainsFunc(wanted, func(s Step) bool { return s.Cell.Variant == m.Name })
	})
	return g
}
