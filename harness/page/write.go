// SPDX-License-Identifier: Apache-2.0

package page

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// Formats are the forms in which tables can be written; comparisons also as "junit".
func Formats() []string { return []string{"text", "markdown", "json"} }

// grid is a table ready to be written: rows of text.
type grid struct {
	title  string
	head   []string
	rows   [][]string
	footer string
}

// grid writes medians with intervals and shares in one scale for the whole table.
func (t *table) grid() grid {
	var values []float64
	for _, r := range t.Rows {
		for _, c := range r.Cells {
			if c != nil {
				values = append(values, c.Median)
			}
		}
	}
	sc := unit.ScaleFor(t.Unit, values)
	g := grid{title: t.heading(), head: []string{"variant"}}
	for _, c := range t.Columns {
		if t.Axis != "" {
			c = t.Axis + "=" + c
		}
		g.head = append(g.head, c+", "+sc.Unit)
	}
	least, most := 0, 0
	level := 1.0
	for _, r := range t.Rows {
		row := []string{r.Variant}
		for _, c := range r.Cells {
			if c == nil {
				row = append(row, "-")
				continue
			}
			text := sc.Format(c.Median)
			if 2*c.Beyond >= c.N && c.Beyond > 0 { // the median itself is a bound
				row = append(row, "not known, at least "+text)
				continue
			}
			if c.Confidence > 0 {
				text += fmt.Sprintf(" [%s, %s]", sc.Format(c.Lo), sc.Format(c.Hi))
				level = min(level, c.Confidence)
			}
			if c.Share > 0 && r.Variant != t.Ceiling {
				text += fmt.Sprintf(" = %.0f %%", 100*c.Share)
			}
			if least == 0 || c.N < least {
				least = c.N
			}
			most = max(most, c.N)
			row = append(row, text)
		}
		g.rows = append(g.rows, row)
	}
	n := fmt.Sprintf("n=%d", least)
	if most != least {
		n = fmt.Sprintf("n=%d to %d", least, most)
	}
	g.footer = "median"
	if least > 1 {
		g.footer += fmt.Sprintf(" [interval at %s or more]", unit.Percent(level, false))
	}
	if t.Ceiling != "" && t.Class != harness.ClassCeiling {
		g.footer += ", share of the ceiling " + t.Ceiling
	} else if t.Ceiling != "" && len(t.Rows) > 1 {
		g.footer += ", share of " + t.Ceiling
	}
	g.footer += "; " + n
	return g
}

// WriteTables writes a run's tables and what belongs to them: what was skipped, rejected, and the A/A noise.
func WriteTables(w io.Writer, a *verdict.Analysis, format string) error {
	tables, r := newTables(a), a.Run
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Run      verdict.Identity      `json:"run"`
			Tables   []table               `json:"tables"`
			Claims   []verdict.Finding     `json:"claims"`
			Scores   []verdict.ScoreResult `json:"scores,omitempty"`
			Laws     []verdict.LawResult   `json:"laws,omitempty"`
			Ports    []verdict.Equivalence `json:"equivalence,omitempty"`
			Noise    []verdict.Noise       `json:"aa_noise"`
			Outcomes []record.CellOutcome  `json:"outcomes"`
			Rejected []record.Rejected     `json:"rejected"`
			Remarks  []string              `json:"remarks,omitempty"`
			Warnings []string              `json:"statistics,omitempty"`
		}{a.ID, tables, a.Findings, a.Scores, a.Laws, a.Equivalences, a.Noise, r.Env.Outcomes, r.Env.Rejected, r.Remarks, a.Warnings})
	}
	p, err := newPrinter(w, format)
	if err != nil {
		return err
	}
	id := a.ID
	p.heading(fmt.Sprintf("%s on %s, kernel %s, %s: %s", id.Experiment, id.Target, id.Kernel, id.CPU, id.State))
	for i := range tables {
		p.grid(tables[i].grid())
	}
	if len(a.Findings) > 0 {
		p.grid(claimGrid(a.Findings))
	}
	for _, g := range verdicts(a) {
		p.grid(g)
	}
	var lines []string
	for _, n := range a.Noise {
		lines = append(lines, fmt.Sprintf("%s %s: %s", n.Cell, n.Unit, n.ShiftText()))
	}
	p.list("A/A noise: one variant measured twice under two names", append(lines, verdict.BrokenGates(a.Noise, verdict.DefaultMinEffect)...))
	p.list("Without a number", a.Unmeasured)
	for _, g := range gatesOfNote(r) {
		p.block("Gate of "+g.Variant, g.Detail)
	}
	lines = nil
	for _, s := range r.Env.Rejected {
		lines = append(lines, fmt.Sprintf("%s, repeat %d: %s", s.Cell, s.Repeat, s.Reason))
	}
	p.list("Rejected trials", lines)
	p.list("Statistics", a.Warnings)
	p.list("Remarks", append(append([]string(nil), r.Env.Notes...), r.Remarks...))
	return p.err
}

// verdicts are the tables of scores, laws and equivalence, where a run has any.
func verdicts(a *verdict.Analysis) []grid {
	var out []grid
	if g := scoreGrid(a.Scores); len(g.rows) > 0 {
		out = append(out, g)
	}
	if g := lawGrid(a.Laws); len(g.rows) > 0 {
		out = append(out, g)
	}
	if len(a.Equivalences) > 0 {
		out = append(out, equivalenceGrid(a.Equivalences))
	}
	return out
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
	if p.markdown {
		s = "## " + s
	}
	p.printf("%s\n\n", s)
}

func (p *printer) list(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	if p.markdown {
		p.printf("### %s\n\n", title)
	} else {
		p.printf("%s\n", title)
	}
	for _, l := range lines {
		if p.markdown {
			p.printf("- %s\n", escape(l))
		} else {
			p.printf("  %s\n", l)
		}
	}
	p.printf("\n")
}

// block writes text of several lines as it is.
func (p *printer) block(title, text string) {
	if p.markdown {
		p.printf("### %s\n\n```\n%s\n```\n\n", title, strings.TrimRight(text, "\n"))
		return
	}
	p.printf("%s\n  %s\n\n", title, strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  "))
}

// gatesOfNote are the gates that have a story to tell: those that failed, or caught what is broken on purpose.
func gatesOfNote(r *record.Run) (out []record.Gate) {
	for _, g := range r.Env.Gates {
		if !g.Passed || strings.Contains(g.Detail, "\n") {
			out = append(out, g)
		}
	}
	return out
}

func (p *printer) grid(g grid) {
	if p.markdown {
		p.printf("### %s\n\n", escape(g.title))
	} else {
		p.printf("%s\n", g.title)
	}
	width := make([]int, len(g.head))
	rows := append([][]string{g.head}, g.rows...)
	for _, r := range rows {
		for i := range r {
			if p.markdown {
				r[i] = escape(r[i])
			}
			width[i] = max(width[i], utf8.RuneCountInString(r[i]))
		}
	}
	for n, r := range rows {
		var b strings.Builder
		for i, c := range r {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			switch {
			case p.markdown:
				b.WriteString("| " + c + pad + " ")
			case i == 0:
				b.WriteString("  " + c + pad)
			default:
				b.WriteString("  " + c + pad)
			}
		}
		if p.markdown {
			b.WriteString("|")
		}
		p.printf("%s\n", strings.TrimRight(b.String(), " "))
		if p.markdown && n == 0 {
			for i := range r {
				p.printf("|%s", strings.Repeat("-", width[i]+2))
			}
			p.printf("|\n")
		}
	}
	if g.footer != "" && p.markdown {
		p.printf("\n%s\n", escape(g.footer))
	} else if g.footer != "" {
		p.printf("  (%s)\n", g.footer)
	}
	p.printf("\n")
}

// escape keeps text from being read as markup.
func escape(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ", "~", `\~`, "*", `\*`).Replace(s)
}
