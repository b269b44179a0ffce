// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

func functionTable(cell string, values ...any) profile.Table {
	t := profile.Table{Cell: cell, Unit: "insn/pkt"}
	for i := 0; i < len(values); i += 2 {
		t.Functions = append(t.Functions, profile.Function{Name: values[i].(string), Value: values[i+1].(float64)})
		t.Whole += values[i+1].(float64)
	}
	return t
}

// TestCause: the largest difference comes first, small ones are summed up, the parts sum to the whole, and there are ten rows at most.
func TestCause(t *testing.T) {
	c := Cause{Where: "pps", Shown: true, A: functionTable("", "ip_rcv", 100., "xdp [bpf]", 50., "kfree", 10., "a", 1.), B: functionTable("", "ip_rcv", 98., "xdp [bpf]", 70., "kfree", 9.99, "a", 1.)}
	want := [][]string{{"xdp [bpf]", "50.0", "70.0", "+20.0"}, {"ip_rcv", "100.0", "98.0", "-2.0"}, {restRow, "11.0", "11.0", "+0.0"}, {wholeRow, "161.0", "179.0", "+18.0"}}
	if got := c.grid(); fmt.Sprint(got.rows) != fmt.Sprint(want) || !strings.Contains(got.footer, "one packet") {
		t.Errorf("%v, %s\nwant %v", got.rows, got.footer, want)
	}
	if strings.Contains(c.grid().footer, "another trial") {
		t.Errorf("without medians: %s", c.grid().footer)
	}
	for want, measured := range map[string][]float64{
		"guest of each side": {161.04, 178.96}, "another trial than those measured, whose medians are 161.0 and 180.0": {161, 180},
	} {
		if c.Measured = measured; !strings.HasSuffix(c.grid().footer, want) {
			t.Errorf("medians %v: %s, want %s", measured, c.grid().footer, want)
		}
	}
	var many []any
	for i := range 30 {
		many = append(many, fmt.Sprint("f", i), float64(i+1))
	}
	g := Cause{A: functionTable("", "x", 1.), B: functionTable("", many...)}.grid()
	if len(g.rows) != functionRows+2 || g.rows[0][0] != "f29" {
		t.Errorf("%d rows: %v", len(g.rows), g.rows)
	}
	var out strings.Builder
	if err := WriteCause(&out, Cause{Note: "this QEMU has no plug-ins"}, "text"); err != nil {
		t.Fatal(err)
	}
	if out.String() != "Where it comes from\n  this QEMU has no plug-ins\n\n" {
		t.Errorf("%s", out.String())
	}
}

// TestCauseSums: the parts sum to the whole as they are written, however small the difference.
func TestCauseSums(t *testing.T) {
	sums := func(g grid) {
		t.Helper()
		last := len(g.rows) - 1
		for column := 1; column < len(g.head); column++ {
			sum := 0.0
			for i, row := range g.rows {
				v, err := strconv.ParseFloat(strings.Replace(row[column], "–", "0", 1), 64)
				if err != nil {
					t.Fatal(err)
				}
				if i < last {
					sum += v
				} else if math.Abs(sum-v) > 0.01 {
					t.Errorf("%s: the parts sum to %.1f, the whole is %.1f: %v", g.head[column], sum, v, g.rows)
				}
			}
		}
	}
	for n := range 40 {
		var a, b []any
		for i := range n + 1 {
			name, v := fmt.Sprint("f", i), 0.137*float64(i+1)
			a, b = append(a, name, v), append(b, name, v+0.01*float64(i%13)-0.04)
		}
		x, y := functionTable("", a...), functionTable("", b...)
		sums(Cause{A: x, B: y}.grid())
		g := grid{head: []string{"function", "A", "B"}}
		g.addFunctions([]profile.Table{x, y}, profile.Leading([]profile.Table{x, y}, functionRows))
		sums(g)
	}
}

// TestCauseSmall: a difference that does not count has its table, which says so; equal functions are a sentence.
func TestCauseSmall(t *testing.T) {
	a, b := functionTable("", "f", 1490., "g", 10.), functionTable("", "f", 1490., "g", 12.)
	var out strings.Builder
	if err := WriteCause(&out, Cause{Where: "pps", A: a, B: b}, "text"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  g             10.0    12.0    +2.0\n", restRow, wholeRow, "No row differs by as much as counts"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	out.Reset()
	if err := WriteCause(&out, Cause{Where: "pps", A: a, B: a}, "text"); err != nil {
		t.Fatal(err)
	}
	if want := "Where it comes from: pps\n  each function executes as many instructions in A as in B, 1500.0 of one packet in all\n\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// TestTakenOff: what is taken off for the loop has a row of its own, so that the others are not below zero and all sum to the whole.
func TestTakenOff(t *testing.T) {
	a, b := functionTable("", "a [bpf]", 9., "run", 1., "empty [bpf]", -9., "enter", -0.5), functionTable("", "b [bpf]", 17., "run", 1., "empty [bpf]", -9., "enter", -0.5)
	want := [][]string{{"a | b [bpf]", "9.0", "17.0", "+8.0"}, {restRow, "1.0", "1.0", "+0.0"}, {offRow, "-9.5", "-9.5", "+0.0"}, {wholeRow, "0.5", "8.5", "+8.0"}}
	if d := cmp.Diff(want, (Cause{A: a, B: b}).grid().rows); d != "" {
		t.Error(d)
	}
	r := synthetic.Golden()
	cell := r.Trials[0].Cell.BenchName()
	a.Cell = cell
	r.Functions = []profile.Table{a}
	want = [][]string{{"a [bpf]", "9.0"}, {"run", "1.0"}, {restRow, "–"}, {offRow, "-9.5"}, {wholeRow, "0.5"}}
	if g := functionGrids(verdict.Analyze(r)); len(g) != 1 || cmp.Diff(want, g[0].rows) != "" {
		t.Errorf("%+v", g)
	}
}

// TestCauseRow: only rows that are shown to differ in instructions are explained, and none of a paced stream.
func TestCauseRow(t *testing.T) {
	for _, slow := range []float64{1.05, 1} {
		x, y := synthetic.ExactPair(1, slow, 0)
		c := mustCompareRuns(t, x, y)
		if _, ok := (AB{Comparison: c}).CauseRow(); ok {
			t.Error("a row in another unit than instructions is explained")
		}
		for i := range c.Rows {
			c.Rows[i].Unit = "insn/pkt"
		}
		units := harness.Map(c.Rows, func(r verdict.Row) string { return r.Unit })
		for i := range c.Rows {
			c.Rows[i].Unit = "insn/switch"
		}
		if _, ok := (AB{Comparison: c}).CauseRow(); ok {
			t.Error("a row in instructions of a switch is explained, which no workload counts by function")
		}
		for i, u := range units {
			c.Rows[i].Unit = u
		}
		r, ok := (AB{Comparison: c}).CauseRow()
		if ok != (slow != 1) {
			t.Errorf("slow %v: %v %v", slow, ok, r.Name)
		}
		for i := range c.Rows {
			c.Rows[i].Cell.Axes = []harness.AxisValue{{Name: "rate", Value: "20000"}}
		}
		if r, ok := (AB{Comparison: c}).CauseRow(); ok {
			t.Errorf("a paced stream is explained: %s", r.Name)
		}
		for i := range c.Rows {
			c.Rows[i].Unit = "insn/seg" // the rate of a path
		}
		if _, ok := (AB{Comparison: c}).CauseRow(); ok != (slow != 1) {
			t.Errorf("a flow on a path of a given rate, slow %v: %v", slow, ok)
		}
	}
}

// TestFunctionGrids: a table for each cell, with a column a variant, the baseline first.
func TestFunctionGrids(t *testing.T) {
	r := synthetic.Golden()
	a := verdict.Analyze(r)
	base := a.BaselineOf()
	var cell, other string
	for i := range r.Trials {
		c := r.Trials[i].Cell
		if c.Variant == base {
			cell = c.BenchName()
			c.Variant = "another"
			other = c.BenchName()
			break
		}
	}
	if cell == "" {
		t.Fatalf("the golden run does not have its baseline %q", base)
	}
	r.Functions = []profile.Table{functionTable(other, "f", 30., "g", 5.), functionTable(cell, "f", 10., "g", 5., "h", 100.)}
	got := functionGrids(a)
	want := [][]string{{"h", "100.0", "–"}, {"f", "10.0", "30.0"}, {restRow, "5.0", "5.0"}, {wholeRow, "115.0", "35.0"}}
	if len(got) != 1 || fmt.Sprint(got[0].rows) != fmt.Sprint(want) || fmt.Sprint(got[0].head) != fmt.Sprint([]string{"function", base, "another"}) {
		t.Errorf("%+v\nwant %v", got, want)
	}
}

// TestCountedRow: where nothing counts as a difference, the row that differs most is explained.
func TestCountedRow(t *testing.T) {
	row := func(unit string, delta float64) verdict.Row {
		return verdict.Row{Unit: unit, Delta: delta}
	}
	c := &verdict.Comparison{Rows: []verdict.Row{row("insn/pkt", 0), row("pkt/s", 0.01), row("insn/conn", -0.002), row("insn/req", 0.001)}}
	if r, ok := (AB{Comparison: c}).CountedRow(); !ok || r.Unit != "insn/conn" {
		t.Errorf("%+v, %v", r, ok)
	}
	c.Rows = c.Rows[1:2]
	if _, ok := (AB{Comparison: c}).CountedRow(); ok {
		t.Error("a row that cannot be counted by function")
	}
}

// TestWriteCauses: of two runs that counted functions the cells that changed are explained.
func TestWriteCauses(t *testing.T) {
	x, y := synthetic.ExactPair(1, 1.05, 0)
	c := mustCompareRuns(t, x, y)
	var cell, unit string
	for _, r := range c.Rows {
		if r.Verdict == verdict.Worse {
			cell, unit = r.Name, r.Unit
		}
	}
	before, after := functionTable(cell, "f", 10.), functionTable(cell, "f", 10., "g", 3.)
	before.Unit, after.Unit = unit, unit
	var out strings.Builder
	if err := WriteCauses(&out, c, []profile.Table{before}, []profile.Table{after}, "text"); err != nil || !strings.Contains(out.String(), "  g             –     3.0   +3.0") {
		t.Errorf("%v: %q", err, out.String())
	}
	out.Reset()
	if err := WriteCauses(&out, c, []profile.Table{before}, nil, "text"); err != nil || out.Len() > 0 {
		t.Errorf("one run without functions: %v: %q", err, out.String())
	}
}

// TestProgramGrid: the functions of the programs are summed up as instructions of a unit; a function alone needs no sum.
func TestProgramGrid(t *testing.T) {
	both := func(name string, a, b profile.Program) profile.ProgramChange {
		return profile.ProgramChange{Name: name, A: a, B: b}
	}
	c := Cause{A: profile.Table{Unit: "insn/seg"}, Programs: []profile.ProgramChange{
		both("avoid", profile.Program{Calls: 0.5, Each: 70}, profile.Program{Calls: 0.5, Each: 120}),
		both("acked", profile.Program{Calls: 1, Each: 35}, profile.Program{Calls: 1, Each: 35}),
		both("only", profile.Program{}, profile.Program{Calls: 0.25, Each: 4}),
	}}
	rows := c.programGrid().rows
	if d := cmp.Diff([]string{"all of them, a segment", "", "", "70.0", "96.0", "+26.0"}, rows[len(rows)-1]); d != "" {
		t.Error(d)
	}
	for shown, want := range map[bool]bool{false: true, true: false} {
		var out strings.Builder
		c.Shown = shown
		if err := WriteCause(&out, c, "text"); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "The programs alone differ: B's take 26.0 more instructions a segment than A's.\n") != want {
			t.Errorf("shown %v: %s", shown, out.String())
		}
	}
	c.Programs = c.Programs[:1]
	if rows := c.programGrid().rows; len(rows) != 1 {
		t.Errorf("one function has the rows %q", rows)
	}
}
