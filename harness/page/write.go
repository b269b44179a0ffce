// SPDX-License-Identifier: Apache-2.0

package page

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/verdict"
)

// Formats are the formats of WriteTables.
func Formats() []string { return []string{"text", "markdown", "json"} }

// grid is a table ready to be written: rows of text.
type grid struct {
	title  string
	head   []string
	rows   [][]string
	footer string
	cells  []string // whose causes it shows, harness.Cell.BenchName
}

// WriteTables writes a run's answer, claims, tables, verdicts, A/A noise, and the cells and trials without a number.
func WriteTables(w io.Writer, a *verdict.Analysis, format string) error {
	tables, r := newTables(a), a.Run
	if format == "json" {
		return writeJSON(w, struct {
			Run       verdict.Identity      `json:"run"`
			Tables    []table               `json:"tables"`
			Claims    []verdict.Finding     `json:"claims"`
			Scores    []verdict.ScoreResult `json:"scores,omitempty"`
			Laws      []verdict.LawResult   `json:"laws,omitempty"`
			Ports     []verdict.Equivalence `json:"equivalence,omitempty"`
			Noise     []verdict.Noise       `json:"aa_noise"`
			Functions []profile.Table       `json:"functions,omitempty"`
			Outcomes  []record.CellOutcome  `json:"outcomes"`
			Rejected  []record.Rejected     `json:"rejected"`
			Remarks   []string              `json:"remarks,omitempty"`
			Warnings  []string              `json:"statistics,omitempty"`
		}{a.ID, tables, a.Findings, a.Scores, a.Laws, a.Equivalences, a.Noise, r.Functions, r.Env.Outcomes, r.Env.Rejected, r.Remarks, a.Warnings})
	}
	p, err := newPrinter(w, format)
	if err != nil {
		return err
	}
	id := a.ID
	p.heading(fmt.Sprintf("%s on %s, kernel %s, %s: %s", id.Experiment, id.Target, id.Kernel, id.CPU, id.State))
	p.answer(newBoard(a))
	for _, g := range append(verdicts(a), functionGrids(a)...) {
		p.grid(g)
	}
	noise := harness.Map(a.Noise, func(n verdict.Noise) string { return fmt.Sprintf("%s %s: %s", n.Cell, n.Unit, n.ShiftText()) })
	p.list("A/A noise: one variant measured twice under two names", append(noise, verdict.BrokenGates(a.Noise, verdict.DefaultMinEffect)...))
	p.list("Without a number", a.Unmeasured)
	for _, g := range gatesOfNote(r) {
		p.block("Gate of "+g.Variant, g.Detail)
	}
	p.list("Rejected trials", harness.Map(r.Env.Rejected, func(s record.Rejected) string {
		return fmt.Sprintf("%s, repeat %d: %s", s.Cell, s.Repeat, s.Reason)
	}))
	p.list("Statistics", a.Warnings)
	p.list("Remarks", slices.Concat(r.Env.Notes, r.Remarks))
	return p.err
}

// answer writes the answer of a run, the claims that it asked for, and its tables.
func (p *printer) answer(b board) {
	for _, sentence := range slices.Concat(b.answer(), b.judged()) {
		p.printf("%s\n", p.line(sentence))
		if p.markdown { // else the sentences are one paragraph
			p.printf("\n")
		}
	}
	if !p.markdown {
		p.printf("\n")
	}
	if plot := namedPlot(&b.a.Run.Env); p.markdown && plot != "" {
		p.printf("![%s](%s)\n\n", p.line(plot), destination(filepath.ToSlash(filepath.Join(b.a.Run.Dir, plotsDir, plot+".svg"))))
	}
	if claims := Claims(b.a); len(claims) > 0 {
		p.grid(claimGrid(claims))
	}
	workloads := b.tablesOf()
	for _, w := range workloads {
		p.grid(w.First.grid())
	}
	for _, w := range workloads {
		if len(w.Rest) == 0 {
			continue
		}
		p.fold(fmt.Sprintf("%s: %s more", w.Name, plural(len(w.Rest), "table")), func() {
			for _, t := range w.Rest {
				p.grid(t.grid())
			}
		})
	}
}

// namedPlot is the plot beside the answer: the definition's, or its first; "" if it has none.
func namedPlot(e *record.Env) string {
	if e.AnswerPlot != "" || len(e.Plots) == 0 {
		return e.AnswerPlot
	}
	return e.Plots[0].Name
}

// fold hides a part of a Markdown page until it is asked for.
func (p *printer) fold(title string, write func()) {
	if p.markdown {
		p.printf("<details><summary>%s</summary>\n\n", inHTML(title))
		defer p.printf("</details>\n\n")
	}
	write()
}

// writeJSON writes a value as one indented document.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// verdicts are the tables of scores, laws and equivalence that have rows.
func verdicts(a *verdict.Analysis) []grid {
	all := []grid{scoreGrid(a.Scores), lawGrid(a.Laws), equivalenceGrid(a.Equivalences)}
	if g, ok := fateGrid([]*verdict.Analysis{a}, true); ok {
		all = append(all, g)
	}
	return harness.Filter(all, func(g grid) bool { return len(g.rows) > 0 })
}

// printer writes grids and lists as text or markdown. The first error stays.
type printer struct {
	w        io.Writer
	markdown bool
	err      error
}

func newPrinter(w io.Writer, format string) (*printer, error) {
	switch format {
	case "text", "":
		return &printer{w: w}, nil
	case "markdown":
		return &printer{w: w, markdown: true}, nil
	}
	return nil, fmt.Errorf("write report: %w", &harness.UnknownError{Kind: "format", Word: format, Known: Formats()})
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *printer) heading(s string) {
	if s = p.line(s); p.markdown {
		s = "## " + s
	}
	p.printf("%s\n\n", s)
}

// subheading begins a table or a list.
func (p *printer) subheading(s string) {
	if s = p.line(s); p.markdown {
		p.printf("### %s\n\n", s)
	} else {
		p.printf("%s\n", s)
	}
}

func (p *printer) list(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	p.subheading(title)
	for _, l := range lines {
		if p.markdown {
			p.printf("- %s\n", p.line(l))
		} else {
			p.printf("  %s\n", p.line(l))
		}
	}
	p.printf("\n")
}

// block writes text of several lines as it is, but for control characters.
func (p *printer) block(title, text string) {
	text = strings.TrimRight(string(Clean([]byte(text))), "\n")
	p.subheading(title)
	if p.markdown {
		mark := fence(text)
		p.printf("%s\n%s\n%[1]s\n\n", mark, text)
	} else {
		p.printf("  %s\n\n", strings.ReplaceAll(text, "\n", "\n  "))
	}
}

// gatesOfNote are the gates that failed, or whose detail has several lines.
func gatesOfNote(r *record.Run) []record.Gate {
	return harness.Filter(r.Env.Gates, func(g record.Gate) bool { return !g.Passed || strings.Contains(g.Detail, "\n") })
}

func (p *printer) grid(g grid) {
	p.subheading(g.title)
	width := make([]int, len(g.head))
	rows := append([][]string{g.head}, g.rows...)
	for _, r := range rows {
		for i := range r {
			r[i] = p.line(r[i])
			width[i] = max(width[i], utf8.RuneCountInString(r[i]))
		}
	}
	for n, r := range rows {
		line := ""
		for i, c := range r {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if p.markdown {
				line += "| " + c + pad + " "
			} else {
				line += "  " + c + pad
			}
		}
		if p.markdown {
			line += "|"
		}
		p.printf("%s\n", strings.TrimRight(line, " "))
		if p.markdown && n == 0 {
			for i := range r {
				p.printf("|%s", strings.Repeat("-", width[i]+2))
			}
			p.printf("|\n")
		}
	}
	if g.footer != "" && p.markdown {
		p.printf("\n%s\n", p.line(g.footer))
	} else if g.footer != "" {
		p.printf("  (%s)\n", p.line(g.footer))
	}
	p.printf("\n")
}

// line writes text that names of the user's, or words of the verifier, may stand in as one line, without markup of the format.
func (p *printer) line(s string) string {
	if p.markdown {
		return markdown(s)
	}
	return inLine(s)
}
