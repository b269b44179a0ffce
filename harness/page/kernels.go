// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// A Kernels is the answer to "is B better than A?" on several kernels; or, of A alone, to "what do later kernels make of the first
// one's?".
type Kernels struct {
	Names []string // of the kernels
	// Alone: A is on the first kernel, and B is A on another.
	Alone bool
	// Answers are one a kernel; of A alone one a kernel but the first.
	Answers []AB
}

// names are the kernels that the answers are of.
func (k Kernels) names() []string {
	if k.Alone {
		return k.Names[1:]
	}
	return k.Names
}

// aligned are the rows of all answers. Of A alone a row differs if it does in an answer; else if its change differs between kernels.
func (k Kernels) aligned() []verdict.Aligned {
	all := harness.Map(k.Answers, func(a AB) *verdict.Comparison { return a.Comparison })
	if !k.Alone {
		return verdict.Between(all)
	}
	rows := verdict.Align(all)
	for i := range rows {
		rows[i].Differs = slices.ContainsFunc(rows[i].Rows, func(r *verdict.Row) bool {
			return r != nil && (r.Verdict == verdict.Better || r.Verdict == verdict.Worse || r.Verdict == verdict.Differs)
		})
	}
	return rows
}

// WriteKernels writes the answer as text, markdown or json: a sentence a kernel, the rows in which kernels differ, the correctness of
// all, and a table whose columns are kernels.
func WriteKernels(w io.Writer, k Kernels, format string) error {
	rows := k.aligned()
	if format == "json" {
		return k.writeJSON(w, rows)
	}
	p, err := newPrinter(w, format)
	if err != nil {
		return err
	}
	newline := "\n"
	if p.markdown { // a line break
		newline = "  \n"
	}
	for i, a := range k.Answers {
		sentence := a.Sentence()
		if !k.Alone {
			sentence = k.Names[i] + ": " + sentence
		}
		p.printf("%s%s", p.line(sentence), newline)
	}
	p.printf("%s\n\n", p.line(k.between(rows)))
	p.list("Correctness", k.lines(func(a AB) []string { return a.Gates }))
	p.list("Different outputs, A | B", k.lines(func(a AB) []string { return a.Differences }))
	for _, of := range harness.GroupBy(rows, func(r verdict.Aligned) string { return r.Cell.Workload }) {
		p.grid(k.grid(of))
	}
	for i, a := range k.Answers {
		if len(a.Sizes) > 0 {
			title := "What kernel " + k.names()[i] + " makes of them"
			if k.Alone {
				title = fmt.Sprintf("What kernels %s (A) and %s (B) make of it", k.Names[0], k.names()[i])
			}
			p.grid(sizeGrid(title, a.Sizes))
		}
	}
	p.list("Missing: only A was measured", k.lines(func(a AB) []string { return harness.Map(a.Comparison.Missing, verdict.Missing.String) }))
	p.list("Only B was measured", k.lines(func(a AB) []string { return a.Comparison.OnlyNew }))
	p.list("Remarks", k.lines(func(a AB) []string { return a.Comparison.Remarks }))
	return p.err
}

// lines are those of all answers, each with its kernel; of A alone the lines name their kernels, and one of the first is in all answers.
func (k Kernels) lines(of func(AB) []string) (out []string) {
	for i, a := range k.Answers {
		for _, line := range of(a) {
			if !k.Alone {
				line = k.Names[i] + ": " + line
			}
			if !slices.Contains(out, line) {
				out = append(out, line)
			}
		}
	}
	return out
}

// betweenMost is how many rows the line on differences between kernels names.
const betweenMost = 5

// between is the line that says which rows differ between the kernels.
func (k Kernels) between(rows []verdict.Aligned) string {
	differ := harness.Filter(rows, func(r verdict.Aligned) bool { return r.Differs })
	var text string
	switch {
	case len(rows) == 0:
		return "The kernels have no row with a number."
	case len(differ) == 0:
		text = fmt.Sprintf("Between the kernels none of %s is shown to differ", plural(len(rows), "row"))
	default:
		verb := "differ"
		if len(differ) == 1 {
			verb = "differs"
		}
		names := harness.Map(differ[:min(len(differ), betweenMost)], func(r verdict.Aligned) string {
			return fmt.Sprintf("%s%s %s (%s)", r.Cell.Workload, r.Cell.AxesName(""), r.Unit, strings.Join(k.deltas(r), ", "))
		})
		if n := len(differ) - betweenMost; n > 0 {
			names = append(names, fmt.Sprintf("and %d more", n))
		}
		text = fmt.Sprintf("Between the kernels %d of %s %s: %s", len(differ), plural(len(rows), "row"), verb, strings.Join(names, "; "))
	}
	lacking := harness.Count(rows, func(r verdict.Aligned) bool { return slices.Contains(r.Rows, nil) })
	if lacking > 0 {
		text += fmt.Sprintf("; %d have no number on one of them", lacking)
	}
	return text + "."
}

// deltas are a row's changes on the kernels.
func (k Kernels) deltas(r verdict.Aligned) []string {
	return harness.Map(r.Rows, func(r *verdict.Row) string {
		if r == nil {
			return "–"
		}
		return deltaText(*r)
	})
}

// grid is the table of a workload.
func (k Kernels) grid(rows []verdict.Aligned) grid {
	g := grid{title: rows[0].Cell.Workload + ": B against A", head: []string{"at", "unit"}}
	if k.Alone {
		g.title = rows[0].Cell.Workload
		g.head = append(g.head, k.Names...)
		for _, name := range k.names() {
			g.head = append(g.head, name+" against "+k.Names[0])
		}
	} else {
		g.head = append(append(g.head, k.Names...), "kernels")
		g.footer = "each kernel's column: the difference with its interval, and its verdict; kernels: whether the difference is another one on another kernel"
	}
	for _, r := range rows {
		at := r.Cell.AxesText()
		changes := harness.Map(r.Rows, changeText)
		if k.Alone {
			name, values := k.values(r)
			g.rows = append(g.rows, slices.Concat([]string{at, name}, values, changes))
			continue
		}
		verdict := "~"
		switch {
		case r.Differs:
			verdict = "differ"
		case slices.Contains(r.Rows, nil):
			verdict = "–"
		}
		g.rows = append(g.rows, slices.Concat([]string{at, r.Unit}, changes, []string{verdict}))
	}
	return g
}

// values are the medians of a row of A alone on all kernels, in one scale.
func (k Kernels) values(r verdict.Aligned) (name string, out []string) {
	all := make([]*float64, len(k.Names))
	var known []float64
	for i, x := range r.Rows {
		if x != nil {
			all[0], all[i+1] = &x.Old.Median, &x.New.Median
			known = append(known, x.Old.Median, x.New.Median)
		}
	}
	sc := unit.ScaleFor(r.Unit, known)
	return sc.Column(r.Unit), harness.Map(all, func(v *float64) string {
		if v == nil {
			return "–"
		}
		return sc.Format(*v)
	})
}

// changeText is a row's change with its interval and verdict.
func changeText(r *verdict.Row) string {
	if r == nil {
		return "–"
	}
	return deltaText(*r) + intervalText(*r) + " " + besideInterval(*r)
}

// writeJSON writes one document: a comparison a kernel, and the rows that differ between the kernels.
func (k Kernels) writeJSON(w io.Writer, rows []verdict.Aligned) error {
	type answer struct {
		Kernel     string   `json:"kernel"`
		Gates      []string `json:"correctness"`
		Outputs    []string `json:"different_outputs,omitempty"`
		Comparison any      `json:"comparison"`
	}
	type row struct {
		Name    string `json:"cell"`
		Unit    string `json:"unit"`
		Differs bool   `json:"differs"`
	}
	var answers []answer
	for i, a := range k.Answers {
		answers = append(answers, answer{k.names()[i], a.Gates, a.Differences, comparisonDocument(a.Comparison, nil)})
	}
	return writeJSON(w, struct {
		A       string   `json:"a"`
		B       string   `json:"b"`
		Kernels []string `json:"kernels"`
		Answers []answer `json:"answers"`
		Between string   `json:"between"`
		Rows    []row    `json:"rows"`
	}{k.Answers[0].A, k.Answers[0].B, k.Names, answers, k.between(rows),
		harness.Map(rows, func(r verdict.Aligned) row { return row{r.Name, r.Unit, r.Differs} })})
}
