// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// ChangeFormats are the formats of WriteChanges.
func ChangeFormats() []string { return []string{"text", "markdown"} }

// WriteChanges writes what differs between the runs, a row a cell and unit, the largest first, and what was not compared; nothing if
// all was compared and nothing differs.
func WriteChanges(w io.Writer, c *verdict.Comparison, format string) error {
	g := grid{title: "Changed", head: []string{"cell", "old", "new", "unit", "delta", "verdict"}}
	for _, r := range changed(c) {
		sc := unit.ScaleFor(r.Unit, []float64{r.Old.Median})
		before, after := rowValues(r, func(v float64) string { return fine(v * sc.Factor) })
		g.rows = append(g.rows, []string{
			r.Cell.Workload + ": " + r.Cell.Class + "/" + r.Cell.Variant + r.Cell.AxesName(""), before, after, sc.Column(r.Unit), deltaText(r), verdictText(r),
		})
	}
	if len(g.rows)+len(c.Missing)+len(c.OnlyNew)+len(c.Gaps) == 0 {
		return nil
	}
	p, err := newPrinter(w, format)
	if err != nil {
		return err
	}
	p.heading(fmt.Sprintf("%s on %s, kernel %s: %s", c.OldRun.Experiment, c.OldRun.Target, kernels(c.OldRun, c.NewRun), c.Summary()))
	if len(g.rows) > 0 {
		p.grid(g)
	}
	p.missing(c)
	p.list(gapsTitle, c.Gaps)
	p.list("Remarks", c.Remarks)
	return p.err
}

// rowValues are the medians of a row by format, or its fates.
func rowValues(r verdict.Row, format func(float64) string) (before, after string) {
	if r.Compare == harness.CompareWord {
		return r.OldFate, r.NewFate
	}
	return format(r.Old.Median), format(r.New.Median)
}

const gapsTitle = "Not compared"

// verdictText is the row's verdict with its note.
func verdictText(r verdict.Row) string {
	if r.Note == "" {
		return r.Verdict
	}
	return r.Verdict + " (" + r.Note + ")"
}

// changed are the rows that became better or worse, the largest difference first.
func changed(c *verdict.Comparison) []verdict.Row {
	rows := harness.Filter(c.Rows, func(r verdict.Row) bool {
		return r.Verdict == verdict.Better || r.Verdict == verdict.Worse || r.Verdict == verdict.Differs
	})
	slices.SortStableFunc(rows, func(a, b verdict.Row) int { return cmp.Compare(times(b), times(a)) })
	return rows
}

// times is a row's difference divided by the least difference, which can be compared between units.
func times(r verdict.Row) float64 {
	if r.Floor <= 0 {
		return math.Inf(1)
	}
	return math.Abs(r.Delta) / r.Floor
}

// fine writes five significant digits, so that 0.5 % can be seen; with an exponent only where the number would be long.
func fine(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a < 1e-9 || a >= unit.Long:
		return strconv.FormatFloat(v, 'e', 4, 64)
	}
	return strconv.FormatFloat(v, 'f', max(0, 4-int(math.Floor(math.Log10(math.Abs(v))))), 64)
}

// CompareFormats are the formats of WriteComparison.
func CompareFormats() []string { return append(Formats(), "junit") }

// WriteComparison writes the comparison as text, markdown, json or junit.
func WriteComparison(w io.Writer, c *verdict.Comparison, format string) error {
	switch format {
	case "json":
		return writeComparisonJSON(w, c)
	case "junit":
		return writeJUnit(w, c, [2]string{"old", "new"}, nil)
	}
	if format != "" && !slices.Contains(Formats(), format) {
		return fmt.Errorf("write comparison: %w", &harness.UnknownError{Kind: "format", Word: format, Known: CompareFormats()})
	}
	p, err := newPrinter(w, format)
	if err != nil {
		return err
	}
	o, n := c.OldRun, c.NewRun
	p.heading(fmt.Sprintf("%s on %s, kernel %s, %s", o.Experiment, o.Target, kernels(o, n), o.CPU))
	p.list("Runs", []string{
		fmt.Sprintf("old: %s, %s, commit %s, %s", o.Dir, o.Date, unit.OrDash(o.Commit), o.State),
		fmt.Sprintf("new: %s, %s, commit %s, %s", n.Dir, n.Date, unit.OrDash(n.Commit), n.State),
	})
	p.list("Drift of the machine between the runs, seen at the ceilings", harness.Map(c.Drifts, verdict.Drift.String))
	for _, rows := range harness.GroupBy(c.Rows, func(r verdict.Row) [2]string { return [2]string{r.Cell.Workload, r.Unit} }) {
		p.grid(comparisonGrid(c, rows))
	}
	p.missing(c)
	p.list(gapsTitle, c.Gaps)
	p.list("Broken gates", c.Broken)
	p.list("Remarks", c.Remarks)
	p.printf("%s\n", p.line(c.Summary()))
	return p.err
}

// missing lists the cells and units that only one run has.
func (p *printer) missing(c *verdict.Comparison) {
	p.list("Missing: only the old run measured", harness.Map(c.Missing, verdict.Missing.String))
	p.list("Only in the new run", c.OnlyNew)
}

// comparisonGrid is the table of one workload and unit.
func comparisonGrid(c *verdict.Comparison, rows []verdict.Row) grid {
	workload, name := rows[0].Cell.Workload, rows[0].Unit
	sc := unit.ScaleFor(name, harness.Map(rows, func(r verdict.Row) float64 { return r.Old.Median }))
	g := grid{title: workload + ": " + name, head: []string{"cell", "old " + sc.Unit, "new " + sc.Unit, "delta", "p", "n", "verdict"}}
	for _, r := range rows {
		before, after := rowValues(r, sc.Format)
		g.rows = append(g.rows, []string{
			r.Cell.Class + "/" + r.Cell.Variant + r.Cell.AxesName(""), before, after, deltaText(r), pText(r), fmt.Sprintf("%d+%d", r.Old.N, r.New.N), verdictText(r),
		})
	}
	if rows[0].Compare == harness.CompareWord {
		g.footer = "one trial decides; harm where there was none is worse"
		return g
	}
	delta := "delta with drift taken off"
	if c.OldRun.Target == harness.TargetExact {
		delta = "delta is the median over the seeds"
	}
	tested := harness.Count(c.Rows, func(r verdict.Row) bool { return r.P != nil })
	g.footer = fmt.Sprintf("%s, p adjusted for %s, %s", delta, plural(tested, "row"), leastText(rows))
	return g
}

// magnitude is a difference of the row in its terms, without its sign: a percentage, or in the unit.
func magnitude(r verdict.Row, v float64) string {
	if r.Compare == harness.CompareDifference {
		return strings.TrimPrefix(verdict.DifferenceText(r.Unit, v), "+")
	}
	return unit.Percent(v, false)
}

// deltaText is the row's difference: a percentage, or in the unit. Fates have none.
func deltaText(r verdict.Row) string {
	switch {
	case r.Verdict == verdict.NoSeed || r.Compare == harness.CompareWord:
		return "–"
	case r.Compare == harness.CompareDifference:
		return verdict.DifferenceText(r.Unit, r.Delta)
	}
	return unit.Percent(r.Delta, true)
}

// pText is the row's p value, or a dash where nothing was tested.
func pText(r verdict.Row) string {
	if r.P == nil {
		return "–"
	}
	if *r.P < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", *r.P)
}

// leastText says from which size on a difference in a table counts. On target exact it adds the size that the middle row could have shown,
// if that is larger: one for rows with ratios, one for rows with differences.
func leastText(rows []verdict.Row) string {
	var floors, middles []string
	for _, r := range rows {
		if text := magnitude(r, r.Floor); !slices.Contains(floors, text) {
			floors = append(floors, text)
		}
	}
	known := harness.Filter(rows, func(r verdict.Row) bool { return r.Findable != 0 })
	for _, way := range harness.CompareWays() {
		same := harness.Filter(known, func(r verdict.Row) bool { return r.Compare == way })
		if len(same) == 0 {
			continue
		}
		middle := magnitude(same[0], stats.Median(harness.Map(same, func(r verdict.Row) float64 { return r.Findable })))
		if len(floors) > 3 || !slices.Contains(floors, middle) {
			middles = append(middles, middle)
		}
	}
	text := "least difference " + strings.Join(floors, " or ")
	switch {
	case len(floors) > 3:
		text = "least difference that of each row (--format json)"
	case len(known) > 0 && len(middles) == 0:
		return text + ", which the middle row can show"
	}
	if len(middles) > 0 {
		text += ", the middle row can show " + strings.Join(middles, " or ")
	}
	return text
}

func kernels(o, n verdict.Identity) string {
	if o.Kernel == n.Kernel {
		return o.Kernel
	}
	return o.Kernel + " against " + n.Kernel
}

func writeComparisonJSON(w io.Writer, c *verdict.Comparison) error {
	return writeJSON(w, comparisonDocument(c, nil))
}

// comparisonDocument is a comparison as it stands in JSON, with the inputs for which the outputs of programs by themselves differ.
func comparisonDocument(c *verdict.Comparison, outputs []string) any {
	return struct {
		Old       verdict.Identity  `json:"old"`
		New       verdict.Identity  `json:"new"`
		MinEffect float64           `json:"min_effect"`
		Alpha     float64           `json:"alpha"`
		Regressed bool              `json:"regressed"`
		Blind     bool              `json:"blind,omitempty"` // no row was judged
		Rows      []verdict.Row     `json:"rows"`
		Drifts    []verdict.Drift   `json:"drifts"`
		Missing   []verdict.Missing `json:"missing,omitempty"`
		Allowed   bool              `json:"missing_allowed,omitempty"`
		OnlyNew   []string          `json:"only_new,omitempty"`
		Unended   string            `json:"new_incomplete,omitempty"`
		Gaps      []string          `json:"not_compared,omitempty"`
		Broken    []string          `json:"broken_gates,omitempty"`
		Remarks   []string          `json:"remarks,omitempty"`
		Outputs   []string          `json:"different_outputs,omitempty"`
	}{c.OldRun, c.NewRun, c.Options.MinEffect, c.Options.Alpha, c.Gate(), c.Blind(), c.Rows, c.Drifts, c.Missing, c.Options.AllowMissing, c.OnlyNew,
		c.Incomplete, c.Gaps, c.Broken, c.Remarks, outputs}
}
