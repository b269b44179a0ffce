// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"math"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/profile"
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
}

// CauseRow returns the row whose functions explain the answer: of those that differ in instructions the largest. A paced stream's
// instructions are those of one thread and are not counted by function.
func (ab AB) CauseRow() (verdict.Row, bool) {
	return harness.Find(ab.decided(), func(r verdict.Row) bool {
		return counted(r) && (r.Cell.Axis("rate") == "" || r.Cell.Axis("rate") == "0")
	})
}

// grid is the table of a cause, in at most functionRows rows and two of sums.
func (c Cause) grid() grid {
	per := strings.TrimPrefix(c.A.Unit, "insn/")
	g := grid{title: "Where it comes from: " + c.Where, head: []string{"function", "A", "B", "B - A"}}
	changes := profile.Compare(c.A, c.B)
	shown := min(functionRows, len(changes))
	for shown > 0 && math.Abs(changes[shown-1].Difference()) < leastCause {
		shown--
	}
	for _, f := range changes[:shown] {
		g.rows = append(g.rows, causeRow(f))
	}
	rest := profile.Change{Name: "(all others)", A: c.A.Whole, B: c.B.Whole}
	for _, f := range changes[:shown] {
		rest.A, rest.B = rest.A-f.A, rest.B-f.B
	}
	g.rows = append(g.rows, causeRow(rest), causeRow(profile.Change{Name: "whole", A: c.A.Whole, B: c.B.Whole}))
	g.footer = fmt.Sprintf("executed instructions of one %s, counted in one more guest of each side", wordOf(per))
	return g
}

// wordOf is a unit of work as a word.
func wordOf(per string) string {
	if w, ok := unitWords[per]; ok {
		return w
	}
	return per
}

func causeRow(c profile.Change) []string {
	return []string{c.Name, instructions(c.A, ""), instructions(c.B, ""), instructions(c.Difference(), "+")}
}

// instructions are written with one digit after the point; a part that is not there is a dash.
func instructions(v float64, sign string) string {
	if sign == "" && v == 0 {
		return "–"
	}
	return fmt.Sprintf("%"+sign+".1f", v+0) // -0 is 0
}

// addCause writes the table of a cause, or why there is none.
func (p *printer) addCause(c *Cause) {
	switch {
	case c == nil:
	case c.Note != "":
		p.list("Where it comes from", []string{c.Note})
	default:
		p.grid(c.grid())
	}
}
