// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// A workloadTables is what a run shows of a workload: one table that carries the answer, and the others.
type workloadTables struct {
	Name, About string
	First       panelTable
	Rest        []panelTable
	Omitted     int // tables that a page has no room for
}

// A panelTable is a panel with a row for each variant.
type panelTable struct {
	panel    panel
	Title    string
	About    string
	Baseline string // "" if the panel does not have it beside others
	Ceiling  string // of which shares are given; "": none
	Footer   string
	Rows     []panelRow
}

// A panelRow is one variant: its value, its effect against the baseline with the verdict, and its share of the ceiling.
type panelRow struct {
	Variant, Class           string
	Value, N                 string
	Against, Verdict, Colour string
	Share                    string
	Cell                     string // harness.Cell.BenchName
}

// tablesOf are the tables of all workloads in the order of the definition. The first of each is the one that decides a need, if there is
// one.
func (b board) tablesOf() (out []workloadTables) {
	needs := b.needs()
	for _, w := range b.a.Run.Env.Workloads {
		panels := b.all(w.Name)
		if len(panels) == 0 {
			continue
		}
		first := 0
		if n, ok := harness.Find(needs, func(n need) bool { return n.Workload == w.Name }); ok {
			first = slices.IndexFunc(panels, func(p panel) bool { return p.unit == n.panel.unit && slices.Equal(p.axes, n.panel.axes) })
		}
		t := workloadTables{Name: w.Name, About: w.About, First: b.panelTable(panels[first])}
		for i, p := range panels {
			if i != first {
				t.Rest = append(t.Rest, b.panelTable(p))
			}
		}
		out = append(out, t)
	}
	return out
}

func (b board) panelTable(p panel) panelTable {
	m, _ := b.a.Run.Env.Metric(p.workload, p.unit)
	t := panelTable{panel: p, About: m.About}
	t.Title = fmt.Sprintf("%s, %s", place(p), p.scale.Unit)
	if strings.HasSuffix(p.unit, "share") { // whose scale is a bare %
		t.Title = fmt.Sprintf("%s, %s in %%", place(p), p.unit)
	}
	t.Footer = map[string]string{"higher": "higher is better", "lower": "lower is better", "neither": "neither way is better"}[m.Better]
	ceiling, top := b.ceiling(p)
	level := 1.0
	for _, v := range b.a.Run.Env.Variants {
		s := p.cells[v.Name]
		if s == nil {
			continue
		}
		sum := b.a.Summary(s)
		r := panelRow{Variant: v.Name, Class: v.Class, Value: p.scale.Format(sum.Median), N: fmt.Sprint(sum.N), Cell: s.Cell.BenchName()}
		if sum.Confidence > 0 && sum.N > 1 {
			r.Value += fmt.Sprintf(" [%s, %s]", p.scale.Format(sum.Lo), p.scale.Format(sum.Hi))
			level = min(level, sum.Confidence)
		}
		if 2*s.Beyond >= sum.N && s.Beyond > 0 { // the median itself is a bound
			r.Value = "not known, at least " + p.scale.Format(sum.Median)
		}
		if against, ok := b.a.Against(s, b.baseline); ok {
			t.Baseline = b.baseline
			r.Against, r.Verdict, r.Colour = effectText(against, p.unit)
			if !b.a.Ranked(s.Cell) && against.Tested() { // a limit, or wrong on purpose: nothing to choose
				r.Verdict, r.Colour = s.Cell.Class, ""
			}
		}
		if way := b.a.Run.Env.Better(p.workload, p.unit); top > 0 && sum.Median > 0 && s.Beyond == 0 && v.Name != ceiling {
			r.Share, t.Ceiling = fmt.Sprintf("%.0f %%", 100*math.Pow(sum.Median/top, float64(way))), ceiling
		}
		t.Rows = append(t.Rows, r)
	}
	if level < 1 {
		t.Footer += fmt.Sprintf("; median [interval at %s or more]", unit.Percent(level, false))
	} else {
		t.Footer += "; median"
	}
	if level < 1 && t.Baseline != "" {
		t.Footer += fmt.Sprintf("; against %s: median of paired quotients, not the quotient of the medians", t.Baseline)
	}
	return t
}

// ceiling is the best ceiling of a panel and its median; 0 if the panel has none, or shares of it mean nothing.
func (b board) ceiling(p panel) (name string, median float64) {
	way := b.a.Run.Env.Better(p.workload, p.unit)
	if way == 0 || strings.HasSuffix(p.unit, "share") {
		return "", 0
	}
	for _, v := range b.a.Run.Env.Variants {
		s := p.cells[v.Name]
		if s == nil || v.Class != harness.ClassCeiling || s.Beyond > 0 {
			continue
		}
		if m := medianOf(s); m > 0 && (median == 0 || float64(way)*(m-median) > 0) {
			name, median = v.Name, m
		}
	}
	return name, median
}

// Head are the names of the table's columns, without those that would be empty.
func (t panelTable) Head() []string {
	out := []string{"variant", "class", t.panel.scale.Unit, "n"}
	if t.Baseline != "" {
		out = append(out, "against "+t.Baseline, "verdict")
	}
	if t.Ceiling != "" {
		out = append(out, "share of "+t.Ceiling)
	}
	return out
}

func (t panelTable) row(r panelRow) []string {
	out := []string{r.Variant, r.Class, r.Value, r.N}
	if t.Baseline != "" {
		out = append(out, r.Against, r.Verdict)
	}
	if t.Ceiling != "" {
		out = append(out, r.Share)
	}
	return out
}

func (t panelTable) grid() grid {
	return grid{title: t.Title, head: t.Head(), rows: harness.Map(t.Rows, t.row), footer: t.Footer}
}

// leastQuotient is the quotient below which its inverse says more: 1/141 for 0.007.
const leastQuotient = 0.1

// mostPercent is the factor from which on the end of an interval is no longer written as a percentage.
const mostPercent = 10

// percents reports whether a quotient is written as so many percent above or below: it is between a half and two, and its interval
// does not go far beyond.
func percents(v verdict.Against) bool {
	return v.Effect.Median >= 0.5 && v.Effect.Median < 2 && v.Effect.Hi < mostPercent
}

// effectText is an effect in a table with its interval, its verdict, and the colour of both.
func effectText(v verdict.Against, name string) (text, says, colour string) {
	write := func(x float64) string { return "x " + unit.Digits(x) }
	plain := unit.Digits
	switch {
	case v.Difference:
		plain = func(x float64) string { n, _, _ := strings.Cut(verdict.DifferenceText(name, x), " "); return n }
		write = plain
		if strings.HasSuffix(name, "share") {
			write = func(x float64) string { return verdict.DifferenceText(name, x) }
		}
	case v.Effect.Median > 0 && v.Effect.Median < leastQuotient:
		write = func(x float64) string { return "x 1/" + unit.Digits(1/x) }
		plain = func(x float64) string { return "1/" + unit.Digits(1/x) }
	case percents(v):
		write = func(x float64) string { return unit.Percent(x-1, true) }
		plain = func(x float64) string { return strings.TrimSuffix(write(x), " %") }
	}
	text = write(v.Effect.Median)
	if v.Verdict != verdict.OneTrial && v.Verdict != verdict.TooFew && v.Verdict != verdict.NotKnown {
		text += fmt.Sprintf(" [%s, %s]", plain(v.Effect.Lo), plain(v.Effect.Hi))
	}
	return text, v.Verdict, map[string]string{verdict.Better: green, verdict.Worse: red}[v.Verdict]
}

// mostRows is how many rows the folded tables of a page have at most.
const mostRows = 2000

// shortened leaves out folded tables that a page has no room for.
func shortened(all []workloadTables) []workloadTables {
	rows := 0
	for i := range all {
		for n, t := range all[i].Rest {
			if rows += len(t.Rows); rows > mostRows {
				all[i].Omitted = len(all[i].Rest) - n
				all[i].Rest = all[i].Rest[:n]
				break
			}
		}
	}
	return all
}

// cellOf is the axis values of a cell that make it differ from others of its workload.
func cellOf(s *record.Sample) string {
	return s.Cell.AxesText()
}
