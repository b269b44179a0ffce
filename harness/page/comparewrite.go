// SPDX-License-Identifier: Apache-2.0

package page

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// CompareFormats are the forms in which a comparison can be written.
func CompareFormats() []string { return append(Formats(), "junit") }

// WriteComparison writes the comparison as text, markdown, json or junit.
func WriteComparison(w io.Writer, c *verdict.Comparison, format string) error {
	switch format {
	case "json":
		return writeComparisonJSON(w, c)
	case "junit":
		return writeJUnit(w, c)
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
	var drifts []string
	for _, d := range c.Drifts {
		drifts = append(drifts, d.String())
	}
	p.list("Drift of the machine between the runs, seen at the ceilings", drifts)
	for _, g := range comparisonGrids(c) {
		p.grid(g)
	}
	p.list("Missing: only the old run measured", missingLines(c))
	p.list("Only in the new run", c.OnlyNew)
	p.list("Broken gates", c.Broken)
	p.list("Remarks", c.Remarks)
	p.printf("%s\n", c.Summary())
	return p.err
}

func comparisonGrids(c *verdict.Comparison) []grid {
	var out []grid
	at := map[[2]string]int{}
	for _, r := range c.Rows {
		k := [2]string{r.Cell.Workload, r.Unit}
		if _, ok := at[k]; ok {
			continue
		}
		at[k] = len(out)
		var values []float64
		for _, o := range c.Rows {
			if o.Cell.Workload == k[0] && o.Unit == k[1] {
				values = append(values, o.Old.Median)
			}
		}
		sc := unit.ScaleFor(r.Unit, values)
		g := grid{title: r.Cell.Workload + ": " + r.Unit, head: []string{"cell", "old " + sc.Unit, "new " + sc.Unit, "delta", "p", "n", "verdict"}}
		for _, o := range c.Rows {
			if o.Cell.Workload != k[0] || o.Unit != k[1] {
				continue
			}
			verdict := o.Verdict
			if o.Note != "" {
				verdict += " (" + o.Note + ")"
			}
			g.rows = append(g.rows, []string{
				o.Cell.Class + "/" + o.Cell.Variant + o.Cell.AxesName(""), sc.Format(o.Old.Median), sc.Format(o.New.Median),
				deltaText(o), pText(o), fmt.Sprintf("%d+%d", o.Old.N, o.New.N), verdict,
			})
		}
		g.footer = fmt.Sprintf("%s, p adjusted for %d rows, least difference %s", deltaOf(c), tested(c), floorText(c, k[0], k[1]))
		g.footer += findableText(c, k[0], k[1])
		out = append(out, g)
	}
	return out
}

// deltaText is the row's difference: a percentage, or in the unit.
func deltaText(r verdict.Row) string {
	switch {
	case r.Verdict == verdict.NoSeed:
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
	return fmt.Sprintf("%.3f", *r.P)
}

// deltaOf says what deltas are.
func deltaOf(c *verdict.Comparison) string {
	if c.OldRun.Target == harness.TargetExact {
		return "delta is the median over the seeds"
	}
	return "delta with drift taken off"
}

// tested counts the rows that have a p value.
func tested(c *verdict.Comparison) int {
	n := 0
	for _, r := range c.Rows {
		if r.P != nil {
			n++
		}
	}
	return n
}

// findableText says what difference the rows of a table could have shown, where that is known: the middle row's.
func findableText(c *verdict.Comparison, workload, name string) string {
	var ratios, differences []float64
	for _, r := range c.Rows {
		switch {
		case r.Cell.Workload != workload || r.Unit != name || r.Findable == 0:
		case r.Compare == harness.CompareDifference:
			differences = append(differences, r.Findable)
		default:
			ratios = append(ratios, r.Findable)
		}
	}
	text := ""
	if len(ratios) > 0 {
		text += fmt.Sprintf(", the middle row can show %s", unit.Percent(stats.Median(ratios), false))
	}
	if len(differences) > 0 {
		text += fmt.Sprintf(", the middle row can show %s", strings.TrimPrefix(verdict.DifferenceText(name, stats.Median(differences)), "+"))
	}
	return text
}

// floorText is the least difference in force in a table, or the range of it.
func floorText(c *verdict.Comparison, workload, name string) string {
	var texts []string
	for _, r := range c.Rows {
		if r.Cell.Workload != workload || r.Unit != name {
			continue
		}
		text := unit.Percent(r.Floor, false)
		if r.Compare == harness.CompareDifference {
			text = strings.TrimPrefix(verdict.DifferenceText(r.Unit, r.Floor), "+")
		}
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	if len(texts) > 3 {
		return "that of each row (--format json)"
	}
	return strings.Join(texts, " or ")
}

func kernels(o, n verdict.Identity) string {
	if o.Kernel == n.Kernel {
		return o.Kernel
	}
	return o.Kernel + " against " + n.Kernel
}

func writeComparisonJSON(w io.Writer, c *verdict.Comparison) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Old       verdict.Identity  `json:"old"`
		New       verdict.Identity  `json:"new"`
		MinEffect float64           `json:"min_effect"`
		Alpha     float64           `json:"alpha"`
		Regressed bool              `json:"regressed"`
		Rows      []verdict.Row     `json:"rows"`
		Drifts    []verdict.Drift   `json:"drifts"`
		Missing   []verdict.Missing `json:"missing,omitempty"`
		Allowed   bool              `json:"missing_allowed,omitempty"`
		OnlyNew   []string          `json:"only_new,omitempty"`
		Broken    []string          `json:"broken_gates,omitempty"`
		Remarks   []string          `json:"remarks,omitempty"`
	}{c.OldRun, c.NewRun, c.Options.MinEffect, c.Options.Alpha, c.Gate(), c.Rows, c.Drifts, c.Missing, c.Options.AllowMissing, c.OnlyNew, c.Broken, c.Remarks})
}

type junitMessage struct {
	Message string `xml:"message,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

// missingLines are the missing cells and units, a line each.
func missingLines(c *verdict.Comparison) []string {
	var out []string
	for _, m := range c.Missing {
		out = append(out, m.String())
	}
	return out
}

// writeJUnit makes a case a row, and a case what is missing: worse and missing are failures; what could not be judged, and
// missing where that is allowed, is skipped.
func writeJUnit(w io.Writer, c *verdict.Comparison) error {
	s := junitSuite{Name: "kxlab " + c.OldRun.Experiment + " on " + c.OldRun.Target, Tests: len(c.Rows) + len(c.Missing),
		Failures: c.Count(verdict.Worse)}
	for _, m := range c.Missing {
		k := junitCase{Class: m.Cell.Experiment + "." + m.Cell.Workload, Name: m.Name + " " + m.Unit}
		if say := (&junitMessage{"missing: " + m.Why()}); c.Options.AllowMissing {
			k.Skipped = say
			s.Skipped++
		} else {
			k.Failure = say
			s.Failures++
		}
		s.Cases = append(s.Cases, k)
	}
	for _, r := range c.Rows {
		k := junitCase{Class: r.Cell.Experiment + "." + r.Cell.Workload, Name: r.Name + " " + r.Unit}
		switch r.Verdict {
		case verdict.Worse:
			k.Failure = &junitMessage{fmt.Sprintf("%s: %s to %s, %s, p=%s", r.Unit, unit.Digits(r.Old.Median), unit.Digits(r.New.Median), deltaText(r), pText(r))}
		case verdict.TooFew, verdict.OneTrial, verdict.NoSeed, verdict.NotKnown:
			k.Skipped = &junitMessage{strings.TrimSuffix(r.Verdict+": "+r.Note, ": ")}
			s.Skipped++
		}
		s.Cases = append(s.Cases, k)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
