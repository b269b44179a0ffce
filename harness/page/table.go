// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// A table shows one workload, class and unit: a row a variant, a column a value of the axis with the most values. Other axes
// with several values have a table for each of these.
type table struct {
	Workload string              `json:"workload"`
	Class    string              `json:"class"`
	Unit     string              `json:"unit"`
	Better   string              `json:"better"`
	Target   string              `json:"target"`
	Kernel   string              `json:"kernel"`
	About    string              `json:"about,omitempty"`
	Where    []harness.AxisValue `json:"where,omitempty"` // the axes that are the same in the whole table
	Axis     string              `json:"axis,omitempty"`  // of the columns; empty: one column
	Columns  []string            `json:"columns"`
	Ceiling  string              `json:"ceiling,omitempty"` // the ceiling of which shares are given
	Rows     []tableRow          `json:"rows"`
}

// A tableRow is one variant.
type tableRow struct {
	Variant string       `json:"variant"`
	Cells   []*tableCell `json:"cells"` // nil where nothing was measured
}

// A tableCell is one cell in one unit.
type tableCell struct {
	stats.Summary
	// Fate is the word of a value that is a fate, of several the worst.
	Fate string `json:"fate,omitempty"`
	// Share of the ceiling: 1 is as good as a program that does no work; 0 where no ceiling ran with the same axes.
	Share float64 `json:"share,omitempty"`
	// Beyond is how many of the values are bounds only.
	Beyond int `json:"beyond,omitempty"`
}

// newTables makes the tables of a run, in the order of the definition: by workload, unit and class.
func newTables(a *verdict.Analysis) []table {
	type key struct{ workload, class, unit string }
	e := &a.Run.Env
	groups := harness.GroupBy(a.Samples, func(s *record.Sample) key { return key{s.Cell.Workload, s.Cell.Class, s.Unit} })
	rank := func(g []*record.Sample) []int {
		c, metrics := g[0].Cell, []harness.MetricSpec(nil)
		w := slices.IndexFunc(e.Workloads, func(w harness.WorkloadSpec) bool { return w.Name == c.Workload })
		if w >= 0 {
			metrics = e.Workloads[w].Metrics
		}
		u := slices.IndexFunc(metrics, func(m harness.MetricSpec) bool { return m.Unit == g[0].Unit })
		return []int{w, u, indexOrEnd(e.Variants, func(v harness.Variant) bool { return v.Class == c.Class })}
	}
	slices.SortStableFunc(groups, func(x, y []*record.Sample) int { return slices.Compare(rank(x), rank(y)) })
	var out []table
	for _, g := range groups {
		c := g[0].Cell
		t := table{Workload: c.Workload, Class: c.Class, Unit: g[0].Unit, Better: "?", Target: e.Target, Kernel: e.Kernel}
		if m, ok := e.Metric(c.Workload, t.Unit); ok {
			t.Better, t.About = m.Better, m.About
		}
		out = append(out, split(t, g, a)...)
	}
	return out
}

// indexOrEnd is slices.IndexFunc with len(items) for none.
func indexOrEnd[T any](items []T, is func(T) bool) int {
	if i := slices.IndexFunc(items, is); i >= 0 {
		return i
	}
	return len(items)
}

// split makes one table for each combination of the axes that are not in the columns.
func split(t table, group []*record.Sample, a *verdict.Analysis) []table {
	values := axisValues(group)
	most := 1
	for _, a := range group[0].Cell.Axes {
		if n := len(values[a.Name]); n > most {
			most, t.Axis = n, a.Name
		}
	}
	t.Columns = []string{"median"}
	var out []table
	for _, part := range harness.GroupBy(group, func(s *record.Sample) string { return s.Cell.AxesName(t.Axis) }) {
		p := t
		if p.Axis != "" {
			p.Columns = axisValues(part)[p.Axis]
		}
		p.Where = harness.Filter(part[0].Cell.Axes, func(a harness.AxisValue) bool { return a.Name != p.Axis })
		p.fill(part, a)
		out = append(out, p)
	}
	return out
}

func (t *table) fill(part []*record.Sample, a *verdict.Analysis) {
	e := &a.Run.Env
	ceiling := t.findCeiling(part, a)
	way := e.Better(t.Workload, t.Unit)
	for _, same := range harness.GroupBy(part, func(s *record.Sample) string { return s.Cell.Variant }) {
		row := tableRow{Variant: same[0].Cell.Variant, Cells: make([]*tableCell, len(t.Columns))}
		for _, s := range same {
			col := 0
			if t.Axis != "" {
				col = slices.Index(t.Columns, s.Cell.Axis(t.Axis))
			}
			c := &tableCell{Summary: a.Summary(s), Beyond: s.Beyond}
			if m := ceiling[s.Cell.AxesName("")]; m > 0 && c.Median > 0 && way != 0 && s.Beyond == 0 {
				c.Share = math.Pow(c.Median/m, float64(way))
			}
			if t.Unit == harness.UnitFate {
				c.Fate = harness.Fate(slices.Max(s.Values)).String()
			}
			row.Cells[col] = c
		}
		t.Rows = append(t.Rows, row)
	}
	index := func(name string) int {
		return indexOrEnd(e.Variants, func(v harness.Variant) bool { return v.Name == strings.TrimSuffix(name, harness.SuffixAA) })
	}
	slices.SortStableFunc(t.Rows, func(x, y tableRow) int {
		return cmp.Or(cmp.Compare(index(x.Variant), index(y.Variant)), cmp.Compare(x.Variant, y.Variant))
	})
}

// findCeiling picks the best ceiling that ran with the most of the table's axis values, and returns its medians by
// the name of the axis values.
func (t *table) findCeiling(part []*record.Sample, a *verdict.Analysis) map[string]float64 {
	e := &a.Run.Env
	way := e.Better(t.Workload, t.Unit)
	if way == 0 || strings.HasSuffix(t.Unit, "share") {
		return nil
	}
	want := map[string]bool{}
	for _, s := range part {
		want[s.Cell.AxesName("")] = true
	}
	ceilings := harness.Filter(a.Samples, func(s *record.Sample) bool {
		c := s.Cell
		return c.Class == harness.ClassCeiling && c.Workload == t.Workload && s.Unit == t.Unit && want[c.AxesName("")]
	})
	var best map[string]float64
	var bestMid float64
	for _, same := range harness.GroupBy(ceilings, func(s *record.Sample) string { return s.Cell.Variant }) {
		medians := map[string]float64{}
		for _, s := range same {
			medians[s.Cell.AxesName("")] = a.Summary(s).Median
		}
		mid := unit.Middle(slices.Collect(maps.Values(medians)))
		if way < 0 {
			mid = 1 / mid
		}
		if best == nil || len(medians) > len(best) || len(medians) == len(best) && mid > bestMid {
			t.Ceiling, best, bestMid = same[0].Cell.Variant, medians, mid
		}
	}
	return best
}

// axisValues lists the values of each axis: numbers sorted, words in the order of the samples.
func axisValues(group []*record.Sample) map[string][]string {
	out := map[string][]string{}
	for _, s := range group {
		for _, a := range s.Cell.Axes {
			if !slices.Contains(out[a.Name], a.Value) {
				out[a.Name] = append(out[a.Name], a.Value)
			}
		}
	}
	for _, v := range out {
		sort.SliceStable(v, func(i, j int) bool {
			a, errA := strconv.ParseFloat(v[i], 64)
			b, errB := strconv.ParseFloat(v[j], 64)
			return errA == nil && errB == nil && a < b
		})
	}
	return out
}
