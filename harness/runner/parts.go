// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"slices"
	"time"
)

// parts cuts a group into n of about the same length, each with whole blocks and the members that these need. The cut depends
// on the plan alone, so that guests that share a group measure the same on every machine. With fewer blocks than n there are
// fewer parts.
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
		least := 0
		for p := range total {
			if total[p] < total[least] {
				least = p
			}
		}
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

// has tells whether any cell of the group is of a member.
func (g Group) has(member string) bool {
	for _, b := range g.Blocks {
		for _, c := range b.Cells {
			if c.Variant == member {
				return true
			}
		}
	}
	return false
}

// restrict leaves out members none of whose steps is wanted: they need be neither set up nor checked.
func (g Group) restrict(wants func(Step) bool, seed uint64) Group {
	wanted := map[string]bool{}
	for _, s := range g.Order(seed) {
		if wants(s) {
			wanted[s.Cell.Variant] = true
		}
	}
	g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m Member) bool { return !wanted[m.Name] })
	return g
}
