// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// ChangeFormats are the forms in which changes alone can be written.
func ChangeFormats() []string { return []string{"text", "markdown"} }

// WriteChanges writes what differs between the runs, a row a cell and unit, the largest first; nothing if nothing differs.
func WriteChanges(w io.Writer, c *verdict.Comparison, format string) error {
	g := grid{title: "Changed", head: []string{"cell", "old", "new", "unit", "delta", "verdict"}}
	for _, r := range changed(c) {
		verdict := r.Verdict
		if r.Note != "" {
			verdict += " (" + r.Note + ")"
		}
		sc := unit.ScaleFor(r.Unit, []float64{r.Old.Median})
		g.rows = append(g.rows, []string{
			r.Cell.Workload + ": " + r.Cell.Class + "/" + r.Cell.Variant + r.Cell.AxesName(""),
			fine(r.Old.Median * sc.Factor), fine(r.New.Median * sc.Factor), sc.Unit, deltaText(r), verdict,
		})
	}
	if len(g.rows)+len(c.Missing)+len(c.OnlyNew) == 0 {
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
	p.list("Missing: only the old run measured", missingLines(c))
	p.list("Only in the new run", c.OnlyNew)
	p.list("Remarks", c.Remarks)
	return p.err
}

// changed are the rows that became better or worse, the largest difference first.
func changed(c *verdict.Comparison) []verdict.Row {
	rows := slices.DeleteFunc(slices.Clone(c.Rows), func(r verdict.Row) bool { return r.Verdict != verdict.Better && r.Verdict != verdict.Worse })
	slices.SortStableFunc(rows, func(a, b verdict.Row) int { return cmp.Compare(times(b), times(a)) })
	return rows
}

// times is how many times the least difference a row's difference is, which can be compared between units.
func times(r verdict.Row) float64 {
	if r.Floor <= 0 {
		return math.Inf(1)
	}
	return math.Abs(r.Delta) / r.Floor
}

// fine writes five significant digits without an exponent, so that half a percent can be seen.
func fine(v float64) string {
	if v == 0 {
		return "0"
	}
	return strconv.FormatFloat(v, 'f', max(0, 4-int(math.Floor(math.Log10(math.Abs(v))))), 64)
}
