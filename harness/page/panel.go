// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// A panel is what the variants show in one unit of one workload at the same axis values.
type panel struct {
	workload, unit string
	axes           []harness.AxisValue
	where          string // the axes that differ between the workload's panels: "rate=0"
	rank           int    // of the unit in the definition
	scale          unit.Scale
	cells          map[string]*record.Sample // by variant, without the second of an A/A pair
}

// A board is the panels of a run, by workload in the order of the definition.
type board struct {
	a         *verdict.Analysis
	baseline  string
	told      []string // the answer, once it was made
	workloads []string
	main      map[string][]panel // a panel for each combination of axis values, in its main unit; the first has most to compare
	more      map[string][]panel // the first panel's other units of which one way is better
	rest      map[string][]panel // all others, those of units without a better way last
}

func newBoard(a *verdict.Analysis) board {
	b := board{a: a, baseline: a.BaselineOf(), main: map[string][]panel{}, more: map[string][]panel{}, rest: map[string][]panel{}}
	for _, w := range a.Run.Env.Workloads {
		own := harness.Filter(a.Samples, func(s *record.Sample) bool {
			return s.Cell.Workload == w.Name && !strings.HasSuffix(s.Cell.Variant, harness.SuffixAA)
		})
		units := harness.Filter(w.Metrics, func(m harness.MetricSpec) bool { return m.Better != "neither" })
		told := harness.Filter(w.Metrics, func(m harness.MetricSpec) bool { return m.Better == "neither" })
		var all, others [][]panel
		for _, same := range harness.GroupBy(own, func(s *record.Sample) string { return s.Cell.AxesName("") }) {
			if ps := panelsOf(w.Name, units, same); len(ps) > 0 {
				all = append(all, ps)
			}
			if ps := panelsOf(w.Name, told, same); len(ps) > 0 {
				others = append(others, ps)
			}
		}
		slices.SortStableFunc(all, func(x, y []panel) int { return b.order(x[0], y[0]) })
		slices.SortStableFunc(others, func(x, y []panel) int { return b.order(x[0], y[0]) })
		shorten(slices.Concat(all, others))
		if len(all) > 0 {
			b.workloads = append(b.workloads, w.Name)
			b.main[w.Name] = harness.Map(all, func(ps []panel) panel { return ps[0] })
			b.more[w.Name] = all[0][1:]
			for _, ps := range all[1:] {
				b.rest[w.Name] = append(b.rest[w.Name], ps[1:]...)
			}
		}
		b.rest[w.Name] = append(b.rest[w.Name], slices.Concat(others...)...)
	}
	return b
}

// all are the panels of a workload, the main ones first.
func (b board) all(workload string) []panel {
	return slices.Concat(b.main[workload], b.more[workload], b.rest[workload])
}

// panelsOf are the panels of one combination of axis values, the main unit first. That is the first unit of the definition in which
// variants differ by over 2 %: a paced rate, which is the same for all, differs by less.
func panelsOf(workload string, units []harness.MetricSpec, same []*record.Sample) []panel {
	var out []panel
	main := -1
	for i, m := range units {
		p := panel{workload: workload, unit: m.Unit, rank: i, axes: same[0].Cell.Axes, cells: map[string]*record.Sample{}}
		var medians []float64
		for _, s := range same {
			if s.Unit == m.Unit {
				p.cells[s.Cell.Variant] = s
				medians = append(medians, medianOf(s))
			}
		}
		if len(medians) == 0 {
			continue
		}
		p.scale = unit.ScaleFor(m.Unit, medians)
		if lo, hi := slices.Min(medians), slices.Max(medians); main < 0 && hi > 1.02*lo {
			main = len(out)
		}
		out = append(out, p)
	}
	if main > 0 {
		first := out[main]
		out = slices.Insert(slices.Delete(out, main, main+1), 0, first)
	}
	return out
}

func medianOf(s *record.Sample) float64 {
	v := slices.Sorted(slices.Values(s.Values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// order puts panels with the baseline first, then those in the definition's first unit, which a rate that is set leaves alike, then those
// with more variants, then by their axis values.
func (b board) order(x, y panel) int {
	has := func(p panel) int {
		if p.cells[b.baseline] == nil {
			return 1
		}
		return 0
	}
	if c := cmp.Or(cmp.Compare(has(x), has(y)), cmp.Compare(x.rank, y.rank), cmp.Compare(len(y.cells), len(x.cells))); c != 0 {
		return c
	}
	return slices.CompareFunc(x.axes, y.axes, func(p, q harness.AxisValue) int {
		m, errM := strconv.ParseFloat(p.Value, 64)
		n, errN := strconv.ParseFloat(q.Value, 64)
		if errM == nil && errN == nil {
			return cmp.Compare(m, n)
		}
		return cmp.Compare(p.Value, q.Value)
	})
}

// shorten names each panel by the axes in which the workload's panels differ.
func shorten(all [][]panel) {
	if len(all) == 0 {
		return
	}
	differ := map[string]bool{}
	for _, ps := range all {
		for _, v := range ps[0].axes {
			first, _ := harness.Find(all[0][0].axes, func(o harness.AxisValue) bool { return o.Name == v.Name })
			differ[v.Name] = differ[v.Name] || first.Value != v.Value
		}
	}
	for _, ps := range all {
		var words []string
		for _, v := range ps[0].axes {
			if differ[v.Name] {
				words = append(words, v.Name+"="+v.Value)
			}
		}
		for i := range ps {
			ps[i].where = strings.Join(words, " ")
		}
	}
}

// An effect is a variant held against the baseline in a panel.
type effect struct {
	panel   panel
	variant harness.Variant
	verdict.Against
}

// effects are those of the panel's variants that can be chosen, the best first.
func (b board) effects(p panel) (out []effect) {
	for _, v := range b.a.Run.Env.Variants {
		s := p.cells[v.Name]
		if s == nil || !b.a.Ranked(s.Cell) {
			continue
		}
		if against, ok := b.a.Against(s, b.baseline); ok {
			out = append(out, effect{p, v, against})
		}
	}
	way := b.a.Run.Env.Better(p.workload, p.unit)
	slices.SortStableFunc(out, func(x, y effect) int { return way * cmp.Compare(y.Effect.Median, x.Effect.Median) })
	return out
}

// sorted are the panel's variants that can be chosen, the best first.
func (b board) sorted(p panel) (out []string) {
	for _, v := range b.a.Run.Env.Variants {
		if s := p.cells[v.Name]; s != nil && b.a.Ranked(s.Cell) {
			out = append(out, v.Name)
		}
	}
	way := b.a.Run.Env.Better(p.workload, p.unit)
	slices.SortStableFunc(out, func(x, y string) int { return way * cmp.Compare(medianOf(p.cells[y]), medianOf(p.cells[x])) })
	return out
}
