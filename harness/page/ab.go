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
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// An AB is the answer to "is B better than A?".
type AB struct {
	A, B       string // as the user named them
	Comparison *verdict.Comparison
	Gates      []string // what became of the correctness of either, a line each
	// Differences are the inputs for which the outputs of A and B differ, a line each.
	Differences []string
	Allowed     bool // differences are meant
	Sizes       []Size
}

// A Size is what the kernel made of a program of A and of B; 0 where only the other has it.
type Size struct {
	Program              string
	VerifiedA, VerifiedB int // instructions that the verifier processed
	NativeA, NativeB     int // bytes of machine code
}

// WriteAB writes the answer as text or markdown, one sentence, the correctness of both, a table of differences, or as json or junit.
func WriteAB(w io.Writer, ab AB, format string) error {
	switch format {
	case "json":
		return writeJSON(w, comparisonDocument(ab.Comparison, ab.Differences))
	case "junit":
		return writeJUnit(w, ab.Comparison, [2]string{"A", "B"}, ab.outputs())
	}
	p, err := newPrinter(w, format)
	if err != nil {
		return err
	}
	p.printf("%s\n\n", p.line(ab.Sentence()))
	p.list("Correctness", ab.Gates)
	p.list("Different outputs, A | B", ab.Differences)
	for _, g := range ab.grids() {
		p.grid(g)
	}
	if len(ab.Sizes) > 0 {
		p.grid(sizeGrid("What the kernel makes of them", ab.Sizes))
	}
	c := ab.Comparison
	if len(c.Rows) > 0 {
		p.list("Missing: only A was measured", harness.Map(c.Missing, verdict.Missing.String))
		p.list("Only B was measured", c.OnlyNew)
	}
	p.list("Remarks", c.Remarks)
	return p.err
}

func sizeGrid(title string, all []Size) grid {
	g := grid{title: title, head: []string{"program", "verified A", "verified B", "bytes A", "bytes B"}}
	for _, s := range all {
		g.rows = append(g.rows, []string{s.Program, count(s.VerifiedA), count(s.VerifiedB), count(s.NativeA), count(s.NativeB)})
	}
	g.footer = "verified: instructions that the verifier processed; bytes: machine code"
	return g
}

func count(n int) string {
	if n == 0 {
		return "–"
	}
	return fmt.Sprint(n)
}

// decided are the rows that say better or worse: throughput in bits first, which congestion controls are for, then instructions, then the
// largest differences.
func (ab AB) decided() []verdict.Row {
	var out []verdict.Row
	for _, r := range ab.Comparison.Rows {
		if r.Verdict == verdict.Better || r.Verdict == verdict.Worse {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b verdict.Row) int {
		if x, y := rank(a), rank(b); x != y {
			return cmp.Compare(x, y)
		}
		switch x, y := size(a), size(b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return out
}

// rank is how soon a row may answer.
func rank(r verdict.Row) int {
	switch {
	case r.Unit == "bit/s":
		return 0
	case counted(r):
		return 1
	}
	return 2
}

func counted(r verdict.Row) bool { return strings.HasPrefix(r.Unit, "insn/") }

// size is how far a row's two sides are apart; differences count less than any ratio.
func size(r verdict.Row) float64 {
	if r.Compare == harness.CompareDifference {
		return 0
	}
	return math.Abs(math.Log1p(r.Delta))
}

// runUnit is the unit of a program by itself, of which one knows how many instructions were added.
const runUnit = "insn/run"

// unitWords are the units that instructions are counted by, as words; others are words already.
var unitWords = map[string]string{"pkt": "packet", "seg": "segment", "conn": "connection", "req": "request", "op": "operation"}

// outputs is a case of different outputs; nil if there are none.
func (ab AB) outputs() *junitCase {
	if len(ab.Differences) == 0 {
		return nil
	}
	k := &junitCase{Class: ab.Comparison.OldRun.Experiment, Name: "outputs"}
	if m := (&junitMessage{ab.differ() + ": " + strings.Join(ab.Differences, "; ")}); ab.Allowed {
		k.Skipped = m
	} else {
		k.Failure = m
	}
	return k
}

// differ says that outputs differ.
func (ab AB) differ() string {
	return fmt.Sprintf("the outputs of %s and %s differ for %s", ab.A, ab.B, plural(len(ab.Differences), "input"))
}

// Sentence answers in one sentence, from the row that says most, behind one that says if outputs differ.
func (ab AB) Sentence() string {
	if len(ab.Differences) > 0 {
		return upper(ab.differ()) + ". " + ab.cost()
	}
	return ab.cost()
}

// cost answers in one sentence, from the row that says most.
func (ab AB) cost() string {
	c := ab.Comparison
	rows := ab.decided()
	if len(rows) == 0 {
		if len(c.Rows) == 0 {
			return fmt.Sprintf("%s and %s cannot be compared: there is no cell with a number of both.", ab.A, ab.B)
		}
		if r, ok := ab.below(); ok {
			return fmt.Sprintf("A difference smaller than the least that counts, %s, is shown: %s %s than %s%s (%s%s).",
				unit.Percent(r.Floor, false), ab.B, amount(r), ab.A, intervalText(r), r.Cell.Workload, r.Cell.AxesName(""))
		}
		text := fmt.Sprintf("No difference is shown between %s and %s", ab.A, ab.B)
		if r, ok := ab.finest(); ok {
			text += fmt.Sprintf("; one of %s in %s would have been", unit.Percent(r.Findable, false), r.Unit)
		}
		return text + "."
	}
	r := rows[0]
	text := fmt.Sprintf("%s %s than %s%s: %s", ab.B, amount(r), ab.A, intervalText(r), r.Verdict)
	if len(c.Rows) > 1 {
		text += fmt.Sprintf(" (%s%s; of %d rows %d better, %d worse)", r.Cell.Workload, r.Cell.AxesName(""), len(c.Rows), c.Count(verdict.Better), c.Count(verdict.Worse))
	}
	return text + "."
}

// amount says what B does more or less of in a row.
func amount(r verdict.Row) string {
	more, many := "more", "more"
	if r.Delta < 0 {
		more, many = "less", "fewer"
	}
	switch {
	case r.Unit == runUnit:
		text := fmt.Sprintf("takes %.1f %s instructions a run", math.Abs(r.New.Median-r.Old.Median), many)
		if r.Compare != harness.CompareDifference {
			text += fmt.Sprintf(" (%s)", unit.Percent(r.Delta, true))
		}
		return text
	case r.Compare != harness.CompareDifference && counted(r):
		per := strings.TrimPrefix(r.Unit, "insn/")
		return fmt.Sprintf("takes %s %s instructions %s", unit.Percent(math.Abs(r.Delta), false), many, withArticle(cmp.Or(unitWords[per], per)))
	case r.Compare != harness.CompareDifference:
		return fmt.Sprintf("has %s %s %s", unit.Percent(math.Abs(r.Delta), false), more, r.Unit)
	}
	text := verdict.DifferenceText(r.Unit, r.Delta)
	if !strings.HasSuffix(text, r.Unit) { // points of a share
		text += " " + r.Unit
	}
	return "differs by " + text
}

// below is the row with the surest difference that is shown and does not reach the least that counts. Its interval of either kind of
// row excludes none, and the test, corrected for the number of rows, shows it. A difference that is written as 0.0 % does not count.
func (ab AB) below() (best verdict.Row, ok bool) {
	for _, r := range ab.Comparison.Rows {
		low, high, known := r.Interval()
		if r.Compare == harness.CompareDifference || r.Verdict != noDifference || !known || low <= 0 && high >= 0 || r.P == nil || *r.P >= 1-stats.Confidence || math.Abs(r.Delta) < 0.0005 {
			continue
		}
		if !ok || *r.P < *best.P {
			best, ok = r, true
		}
	}
	return best, ok
}

// finest is the row that would have shown the least difference.
func (ab AB) finest() (best verdict.Row, ok bool) {
	for _, r := range ab.Comparison.Rows {
		if r.Compare == harness.CompareDifference || r.Findable <= 0 || ok && r.Findable >= best.Findable {
			continue
		}
		best, ok = r, true
	}
	return best, ok
}

// intervalText is the interval of a row's difference in brackets, or nothing.
func intervalText(r verdict.Row) string {
	low, high, ok := r.Interval()
	switch {
	case !ok:
		return ""
	case r.Compare == harness.CompareDifference:
		number := func(d float64) string { // the difference before it has the unit
			text, _, _ := strings.Cut(verdict.DifferenceText(r.Unit, d), " ")
			return text
		}
		return fmt.Sprintf(" [%s, %s]", number(low), number(high))
	}
	return fmt.Sprintf(" [%s, %s]", unit.Percent(low, true), unit.Percent(high, true))
}

// besideInterval is a row's verdict where its interval stands, too: if that excludes no difference and the verdict does not, it says why.
func besideInterval(r verdict.Row) string {
	text := verdictText(r)
	low, high, ok := r.Interval()
	if r.Verdict != noDifference || !ok || low <= 0 && high >= 0 || r.P == nil {
		return text
	}
	if *r.P >= 1-stats.Confidence {
		return text + fmt.Sprintf(" (p %s, adjusted for all rows)", pText(r))
	}
	return text + fmt.Sprintf(" (below %s)", magnitude(r, r.Floor))
}

// grids are a table a workload.
func (ab AB) grids() []grid {
	var out []grid
	for _, r := range ab.Comparison.Rows {
		i := slices.IndexFunc(out, func(g grid) bool { return g.title == r.Cell.Workload })
		if i < 0 {
			i = len(out)
			out = append(out, grid{title: r.Cell.Workload, head: []string{"at", "unit", "A", "B", "B against A", "n", "verdict"}})
		}
		sc := unit.ScaleFor(r.Unit, []float64{r.Old.Median, r.New.Median})
		out[i].rows = append(out[i].rows, []string{
			r.Cell.AxesText(), sc.Column(r.Unit), sc.Format(r.Old.Median), sc.Format(r.New.Median),
			deltaText(r) + intervalText(r), fmt.Sprintf("%d+%d", r.Old.N, r.New.N), besideInterval(r),
		})
	}
	if n := len(out); n > 0 && ab.Comparison.OldRun.Target == harness.TargetExact {
		out[n-1].footer = "A, B: medians over the seeds; B against A: the median of the pairs, one a seed"
	}
	return out
}

// withArticle puts the indefinite article before a noun.
func withArticle(noun string) string {
	if strings.ContainsAny(noun[:min(1, len(noun))], "aeiou") {
		return "an " + noun
	}
	return "a " + noun
}
