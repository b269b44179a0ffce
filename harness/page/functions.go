// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/verdict"
)

// functionRows is how many functions a table of causes names.
const functionRows = 10

// leastCause is the least difference that a function of its own row has, instructions of a unit of work.
const leastCause = 0.05

// A Cause is the functions by which A and B differ in a cell.
type Cause struct {
	Where string // the cell, for people
	A, B  profile.Table
	Note  string // why there are no tables; else empty
	// Measured are the medians of A and B in the row that is explained, those of other trials; nil: not known.
	Measured []float64
	// Shown: the row of the cell differs by what counts as a difference.
	Shown bool
	// Sampled: the tables are of samples, since this machine's QEMU cannot count.
	Sampled bool
	// Programs are the functions of the programs of A and B.
	Programs []profile.ProgramChange
}

// CauseRow returns the row whose functions explain the answer: of those that differ in instructions the largest. A paced stream's
// instructions are those of one thread and are not counted by function, nor are those of a switch.
func (ab AB) CauseRow() (verdict.Row, bool) {
	return harness.Find(ab.decided(), byFunction)
}

// CountedRow returns, of the rows whose instructions can be counted by function, the one that differs most, whatever it shows.
func (ab AB) CountedRow() (verdict.Row, bool) {
	rows := harness.Filter(ab.Comparison.Rows, byFunction)
	if len(rows) == 0 {
		return verdict.Row{}, false
	}
	return slices.MaxFunc(rows, func(x, y verdict.Row) int { return cmp.Compare(size(x), size(y)) }), true
}

func byFunction(r verdict.Row) bool {
	paced := r.Unit == "insn/pkt" && r.Cell.Axis("rate") != "" && r.Cell.Axis("rate") != "0"
	return counted(r) && !paced && r.Unit != "insn/switch"
}

// grid is the table of a cause. Its parts sum to the whole as they are written: the row of all others takes what rounding leaves.
func (c Cause) grid() grid {
	changes := profile.Compare(c.A, c.B)
	g := grid{title: "Where it comes from: " + c.Where, head: []string{"function", "A", "B", "B - A"}}
	shown := harness.Count(changes[:min(functionRows, len(changes))], func(f profile.Change) bool { return math.Abs(f.Difference()) >= leastCause })
	own := func(name string) bool {
		return slices.ContainsFunc(changes[:shown], func(f profile.Change) bool { return f.Name == name })
	}
	whole := written(profile.Change{Name: wholeRow, A: c.A.Whole, B: c.B.Whole})
	off := written(profile.Change{Name: offRow, A: c.A.TakenOff(own), B: c.B.TakenOff(own)})
	rest := profile.Change{Name: restRow, A: whole.A - off.A, B: whole.B - off.B}
	for _, f := range changes[:shown] {
		f = written(f)
		g.rows = append(g.rows, causeRow(f))
		rest.A, rest.B = rest.A-f.A, rest.B-f.B
	}
	g.rows = append(g.rows, causeRow(written(rest)))
	if off.A != 0 || off.B != 0 {
		g.rows = append(g.rows, causeRow(off))
	}
	g.rows = append(g.rows, causeRow(whole))
	g.footer = fmt.Sprintf("executed instructions of one %s, counted in one more guest of each side", wordOf(c.A.Unit))
	if c.Sampled {
		g.footer = fmt.Sprintf("instructions of one %s by samples in one more guest of each side, sampling itself among them: this QEMU cannot count them by function",
			wordOf(c.A.Unit))
	}
	if !c.Shown {
		g.footer += ". No row differs by as much as counts (--min-effect)"
	}
	if m := c.Measured; len(m) == 2 && !(writtenAlike(m[0], c.A.Whole) && writtenAlike(m[1], c.B.Whole)) {
		g.footer += fmt.Sprintf(". That is another trial than those measured, whose medians are %.1f and %.1f", m[0], m[1])
	}
	return g
}

// The last rows of tables of functions.
const (
	restRow  = "(all others)"
	offRow   = "(taken off: the loop's own)" // below zero
	wholeRow = "whole"
)

// functionGrids are the tables of a run that counted by function: one for each cell's workload, axis values, unit and class, with a column
// a variant. The functions that differ most from the first variant come first: the baseline, if it is of the class.
func functionGrids(a *verdict.Analysis) (out []grid) {
	type place struct{ workload, axes, unit, class string }
	variant := func(t profile.Table) harness.Cell {
		c, _ := record.ParseCell(a.Run.Env.Experiment, t.Cell) // checked where it was read
		return c
	}
	for _, tables := range harness.GroupBy(a.Run.Functions, func(t profile.Table) place {
		c := variant(t)
		return place{c.Workload, c.AxesName(""), t.Unit, c.Class}
	}) {
		baseline := a.BaselineOf()
		slices.SortStableFunc(tables, func(x, y profile.Table) int {
			return -cmp.Compare(boolInt(variant(x).Variant == baseline), boolInt(variant(y).Variant == baseline))
		})
		c := variant(tables[0])
		g := grid{title: fmt.Sprintf("%s, class %s: functions", c.At(), c.Class), head: []string{"function"}}
		for _, t := range tables {
			g.head, g.cells = append(g.head, variant(t).Variant), append(g.cells, t.Cell)
		}
		g.addFunctions(tables, profile.Leading(tables, functionRows))
		g.footer = fmt.Sprintf("executed instructions of one %s, in one more trial of each cell", wordOf(tables[0].Unit))
		if slices.ContainsFunc(tables, func(t profile.Table) bool { return !isMedian(a, t) }) {
			g.footer += ". That is another trial than those measured, whose medians the tables above have"
		}
		out = append(out, g)
	}
	return out
}

// addFunctions adds a row for each of the leading functions of tables, which have a column each, the others, and the whole.
func (g *grid) addFunctions(tables []profile.Table, leading []string) {
	off := harness.Map(tables, func(t profile.Table) float64 {
		return tenths(t.TakenOff(func(name string) bool { return slices.Contains(leading, name) }))
	})
	rest := make([]float64, len(tables))
	for i, t := range tables {
		rest[i] = tenths(t.Whole) - off[i]
	}
	for _, name := range leading {
		row := []string{name}
		for i, t := range tables {
			v := tenths(t.Of(name))
			rest[i] -= v
			row = append(row, instructions(v, ""))
		}
		g.rows = append(g.rows, row)
	}
	row := func(name string, values []float64) {
		g.rows = append(g.rows, append([]string{name}, harness.Map(values, func(v float64) string { return instructions(v, "") })...))
	}
	row(restRow, harness.Map(rest, tenths))
	if slices.ContainsFunc(off, func(v float64) bool { return v != 0 }) {
		row(offRow, off)
	}
	row(wholeRow, harness.Map(tables, func(t profile.Table) float64 { return t.Whole }))
}

// isMedian reports whether a table's whole is written as the median of the trials that were measured.
func isMedian(a *verdict.Analysis, t profile.Table) bool {
	s, ok := harness.Find(a.Samples, func(s *record.Sample) bool { return s.Unit == t.Unit && s.Cell.BenchName() == t.Cell })
	return !ok || writtenAlike(a.Summary(s).Median, t.Whole)
}

// writtenAlike reports whether two amounts of instructions have the same digits in a table.
func writtenAlike(a, b float64) bool { return tenths(a) == tenths(b) }

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// comparedCauses is how many tables of causes a comparison has at most.
const comparedCauses = 3

// MediansOf are the medians of a row, for Cause.Measured.
func MediansOf(r verdict.Row) []float64 { return []float64{r.Old.Median, r.New.Median} }

// WriteCauses writes the functions by which two runs that counted them differ, in the cells that changed most; nothing if there are none.
func WriteCauses(w io.Writer, c *verdict.Comparison, before, after []profile.Table, format string) error {
	p, err := newPrinter(w, format)
	if err != nil {
		return err
	}
	n := 0
	for _, r := range changed(c) {
		is := func(t profile.Table) bool { return t.Cell == r.Name && t.Unit == r.Unit }
		a, inA := harness.Find(before, is)
		b, inB := harness.Find(after, is)
		if !inA || !inB {
			continue
		}
		if n++; n > comparedCauses {
			break
		}
		p.grid(Cause{Where: r.Cell.Workload + ": " + r.Cell.Class + "/" + r.Cell.Variant + r.Cell.AxesName(""), A: a, B: b, Measured: MediansOf(r)}.grid())
	}
	return p.err
}

// wordOf is the unit of work of a unit as a word: "packet" of "insn/pkt".
func wordOf(unit string) string {
	per := strings.TrimPrefix(unit, "insn/")
	if w, ok := unitWords[per]; ok {
		return w
	}
	return per
}

// written are the values of a change with the digits that a table has.
func written(c profile.Change) profile.Change {
	c.A, c.B = tenths(c.A), tenths(c.B)
	return c
}

// tenths rounds instructions as tables write them.
func tenths(v float64) float64 { return math.Round(10*v)/10 + 0 } // no -0.0

func causeRow(c profile.Change) []string {
	return []string{c.Name, instructions(c.A, ""), instructions(c.B, ""), instructions(c.Difference(), "+")}
}

// instructions are written with one digit after the point; a part that is not there is a dash.
func instructions(v float64, sign string) string {
	if sign == "" && v == 0 {
		return "–"
	}
	return fmt.Sprintf("%"+sign+".1f", tenths(v))
}

// WriteCause writes the table of a cause, or why there is none.
func WriteCause(w io.Writer, c Cause, format string) error {
	p, err := newPrinter(w, format)
	if err != nil {
		return err
	}
	switch {
	case c.Note != "":
		p.list("Where it comes from", []string{c.Note})
	case len(profile.Compare(c.A, c.B)) == 0:
		p.list("Where it comes from: "+c.Where, []string{fmt.Sprintf("each function executes as many instructions in A as in B, %.1f of one %s in all", c.A.Whole, wordOf(c.A.Unit))})
	default:
		p.grid(c.grid())
	}
	if c.Note == "" && len(c.Programs) > 0 {
		if all := c.ofPrograms(); !c.Shown && math.Abs(all[1]-all[0]) >= leastPrograms*all[0] {
			p.printf("The programs alone differ: B's take %.1f %s instructions a %s than A's.\n\n", math.Abs(all[1]-all[0]), moreOr(all[1] > all[0]), wordOf(c.A.Unit))
		}
		p.grid(c.programGrid())
	}
	return p.err
}

// leastPrograms is the least difference of the programs alone that is said in words, relative: the numbers of their calls differ by less
// between two guests with the same program.
const leastPrograms = 0.01

func moreOr(more bool) string {
	if more {
		return "more"
	}
	return "fewer"
}

// ofPrograms are the instructions that all functions of either side's programs execute for a unit of work.
func (c Cause) ofPrograms() (all [2]float64) {
	for _, f := range c.Programs {
		all[0], all[1] = all[0]+f.A.Calls*f.A.Each, all[1]+f.B.Calls*f.B.Each
	}
	return all
}

// programGrid is the table of a call of each of the programs' functions.
func (c Cause) programGrid() grid {
	g := grid{title: "A call of the programs: " + c.Where, head: []string{"function", "calls A", "calls B", "A", "B", "B - A"}}
	for _, f := range c.Programs {
		change := "–"
		if f.A.Calls > 0 && f.B.Calls > 0 {
			change = instructions(f.B.Each-f.A.Each, "+")
		}
		g.rows = append(g.rows, []string{f.Name, calls(f.A), calls(f.B), instructions(f.A.Each, ""), instructions(f.B.Each, ""), change})
	}
	word := wordOf(c.A.Unit)
	if all := c.ofPrograms(); len(c.Programs) > 1 {
		g.rows = append(g.rows, []string{"all of them, a " + word, "", "", instructions(all[0], ""), instructions(all[1], ""), instructions(all[1]-all[0], "+")})
	}
	g.footer = fmt.Sprintf("calls: of one %s; A, B: executed instructions of a call without those of what it calls, mean of the guest that counted", word)
	return g
}

func calls(p profile.Program) string {
	switch {
	case p.Calls == 0:
		return "–"
	case p.Calls < 0.1:
		return fmt.Sprintf("%.2g", p.Calls)
	}
	return fmt.Sprintf("%.2f", p.Calls)
}
