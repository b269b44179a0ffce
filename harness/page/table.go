// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
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

// A table shows one workload, class and unit: a row a variant, a column a value of the axis that is swept the most.
// Other axes that vary have a table for each of their values.
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
	// Share of the ceiling: 1 is as good as no work at all; 0 where no ceiling ran with the same axes.
	Share float64 `json:"share,omitempty"`
	// Beyond is how many of the values are bounds only.
	Beyond int `json:"beyond,omitempty"`
}

// heading names the table: what, where, on which kernel.
func (t *table) heading() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, class %s: %s (%s is better)", t.Workload, t.Class, t.Unit, t.Better)
	for i, a := range t.Where {
		if i == 0 {
			b.WriteString(" at ")
		} else {
			b.WriteString(", ")
		}
		b.WriteString(a.Name + "=" + a.Value)
	}
	fmt.Fprintf(&b, " [%s, kernel %s]", t.Target, t.Kernel)
	return b.String()
}

// newTables arranges a run. Classes are kept apart: their variants do different work.
func newTables(a *verdict.Analysis) []table {
	all, r := a.Samples, a.Run
	var out []table
	type key struct{ workload, class, unit string }
	groups := map[key][]*record.Sample{}
	var order []key
	for _, s := range all {
		k := key{s.Cell.Workload, s.Cell.Class, s.Unit}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], s)
	}
	rank := func(k key) (int, int, int) {
		w := slices.IndexFunc(r.Env.Workloads, func(w harness.WorkloadSpec) bool { return w.Name == k.workload })
		c, u := len(r.Env.Variants), 0
		for i, v := range r.Env.Variants {
			if v.Class == k.class {
				c = i
				break
			}
		}
		if w >= 0 {
			u = slices.IndexFunc(r.Env.Workloads[w].Metrics, func(m harness.MetricSpec) bool { return m.Unit == k.unit })
		}
		return w, u, c
	}
	sort.SliceStable(order, func(i, j int) bool {
		wi, ui, ci := rank(order[i])
		wj, uj, cj := rank(order[j])
		return wi < wj || wi == wj && (ui < uj || ui == uj && ci < cj)
	})
	for _, k := range order {
		t := table{Workload: k.workload, Class: k.class, Unit: k.unit, Better: "?", Target: r.Env.Target, Kernel: r.Env.Kernel}
		if m, ok := r.Env.Metric(k.workload, k.unit); ok {
			t.Better, t.About = m.Better, m.About
		}
		out = append(out, split(t, groups[k], a)...)
	}
	return out
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
	var parts [][]*record.Sample
	at := map[string]int{}
	for _, s := range group {
		k := s.Cell.AxesName(t.Axis)
		i, ok := at[k]
		if !ok {
			i = len(parts)
			at[k] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], s)
	}
	var out []table
	for _, part := range parts {
		p := t
		if p.Axis != "" {
			p.Columns = axisValues(part)[p.Axis]
		}
		for _, a := range part[0].Cell.Axes {
			if a.Name != p.Axis {
				p.Where = append(p.Where, a)
			}
		}
		p.fill(part, a)
		out = append(out, p)
	}
	return out
}

func (t *table) fill(part []*record.Sample, a *verdict.Analysis) {
	e := &a.Run.Env
	ceiling := t.findCeiling(part, a)
	way := e.Better(t.Workload, t.Unit)
	row := map[string]int{}
	for _, s := range part {
		i, ok := row[s.Cell.Variant]
		if !ok {
			i = len(t.Rows)
			row[s.Cell.Variant] = i
			t.Rows = append(t.Rows, tableRow{Variant: s.Cell.Variant, Cells: make([]*tableCell, len(t.Columns))})
		}
		col := 0
		if t.Axis != "" {
			col = slices.Index(t.Columns, s.Cell.Axis(t.Axis))
		}
		c := &tableCell{Summary: a.Summary(s), Beyond: s.Beyond}
		if m := ceiling[s.Cell.AxesName("")]; m > 0 && c.Median > 0 && way != 0 && s.Beyond == 0 {
			c.Share = math.Pow(c.Median/m, float64(way))
		}
		t.Rows[i].Cells[col] = c
	}
	index := func(name string) int {
		i := slices.IndexFunc(e.Variants, func(v harness.Variant) bool { return v.Name == strings.TrimSuffix(name, harness.SuffixAA) })
		if i < 0 {
			i = len(e.Variants)
		}
		return i
	}
	sort.SliceStable(t.Rows, func(i, j int) bool {
		a, b := index(t.Rows[i].Variant), index(t.Rows[j].Variant)
		return a < b || a == b && t.Rows[i].Variant < t.Rows[j].Variant
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
	by := map[string]map[string]float64{}
	var names []string
	for _, s := range a.Samples {
		c := s.Cell
		if c.Class != harness.ClassCeiling || c.Workload != t.Workload || s.Unit != t.Unit || !want[c.AxesName("")] {
			continue
		}
		if by[c.Variant] == nil {
			by[c.Variant] = map[string]float64{}
			names = append(names, c.Variant)
		}
		by[c.Variant][c.AxesName("")] = a.Summary(s).Median
	}
	var best string
	var bestMid float64
	for _, n := range names {
		var v []float64
		for _, m := range by[n] {
			v = append(v, m)
		}
		mid := unit.Middle(v)
		if way < 0 {
			mid = 1 / mid
		}
		if best == "" || len(by[n]) > len(by[best]) || len(by[n]) == len(by[best]) && mid > bestMid {
			best, bestMid = n, mid
		}
	}
	t.Ceiling = best
	return by[best]
}

// axisValues lists the values of each axis, numbers in their order, words as they come.
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
