// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/plot"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

//go:embed page.html
var pageText string

// Files that Write writes into a run directory.
const (
	pageFile = "report.html"
	plotsDir = "plots"
)

// Write writes the page and the plots of a run into its directory. It returns the page's path.
func Write(a *verdict.Analysis) (string, error) {
	dir := a.Run.Dir
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	defer root.Close()
	plots, _, err := plot.Plots(a.Run)
	if err == nil {
		err = plot.Write(plots, root, plotsDir)
	}
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	if err = writeHTML(&text, a); err == nil {
		err = record.WriteFile(root, pageFile, text.Bytes())
	}
	if err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	return Path(dir), nil
}

// Path is where the page of a run directory is.
func Path(dir string) string { return filepath.Join(dir, pageFile) }

// page is the template's data for one run.
type page struct {
	Run      *record.Run
	ID       verdict.Identity
	Facts    [][2]string
	Headline []string
	Findings []verdict.Finding
	Verdicts []htmlGrid
	Plots    []picture
	Classes  []class
	Noise    []verdict.Noise
	Broken   []string
	Missing  []string
	Without  []string      // cells without a number
	Warnings []string      // about the samples
	Gates    []record.Gate // those that failed, or whose detail has several lines
}

type picture struct {
	Name, Title string
	SVG         template.HTML
}

type class struct {
	Name     string
	Variants []harness.Variant
	Grids    []htmlGrid
}

type htmlGrid struct {
	Title, Footer, About string
	Head                 []string
	Rows                 [][]string
}

// writeHTML writes one self-contained page about the runs, without scripts and without links to other files.
func writeHTML(w io.Writer, runs ...*verdict.Analysis) error {
	var pages []page
	for _, r := range runs {
		p, err := newPage(r)
		if err != nil {
			return err
		}
		pages = append(pages, p)
	}
	t, err := template.New("page").Funcs(template.FuncMap{
		"signed": func(v float64) string { return unit.Percent(v, true) },
		"slug":   func(s string) string { return strings.ReplaceAll(s, " ", "-") },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("parse page: %w", err)
	}
	return t.Execute(w, pages)
}

var (
	svgHead = regexp.MustCompile(`(?s)^.*?(<svg)`)
	svgSize = regexp.MustCompile(`width="[^"]*" height="[^"]*" `)
)

func newPage(a *verdict.Analysis) (page, error) {
	r := a.Run
	p := page{Run: r, ID: a.ID, Facts: facts(r), Headline: headline(a), Findings: a.Findings, Noise: a.Noise, Gates: gatesOfNote(r), Without: a.Unmeasured, Warnings: a.Warnings}
	p.Verdicts = harness.Map(verdicts(a), func(g grid) htmlGrid { return newHTMLGrid(g, "") })
	p.Broken = verdict.BrokenGates(a.Noise, verdict.DefaultMinEffect)
	plots, remarks, err := plot.Plots(r)
	if err != nil {
		return p, err
	}
	for _, pl := range plots {
		p.Plots = append(p.Plots, picture{pl.Name, pl.Title, inline(pl)})
	}
	p.Missing = append(missing(r), remarks...)
	for _, tables := range harness.GroupBy(newTables(a), func(t table) string { return t.Class }) {
		name := tables[0].Class
		p.Classes = append(p.Classes, class{
			Name:     name,
			Variants: harness.Filter(r.Env.Variants, func(v harness.Variant) bool { return v.Class == name }),
			Grids:    harness.Map(tables, func(t table) htmlGrid { return newHTMLGrid(t.grid(), t.About) }),
		})
	}
	return p, nil
}

func newHTMLGrid(g grid, about string) htmlGrid {
	return htmlGrid{g.title, g.footer, about, g.head, g.rows}
}

// inline is a plot's SVG as a part of a page: without its prologue, of any size, with its title for screen readers.
func inline(p plot.Plot) template.HTML {
	svg := svgHead.ReplaceAllString(string(p.SVG), "$1")
	label := `role="img" aria-label="` + template.HTMLEscapeString(p.Title) + `" `
	return template.HTML(svgSize.ReplaceAllLiteralString(svg, label)) // literal: a title may hold "$1"
}

// facts are the conditions of the run.
func facts(r *record.Run) [][2]string {
	e := &r.Env
	out := [][2]string{
		{"Target", e.Target}, {"Kernel", e.Kernel}, {"CPU", e.CPU}, {"State", r.State()},
		{"Date", e.Started.Format("2006-01-02 15:04:05 MST")}, {"Commit", unit.OrDash(e.Commit)}, {"Profile", unit.OrDash(e.Profile)},
		{"Seed", fmt.Sprint(e.Seed)}, {"Command", unit.OrDash(strings.Join(e.Command, " "))},
		{"Trials", fmt.Sprintf("%d counted, %d rejected, %d cells without a number", len(r.Trials), len(e.Rejected), len(r.Unmeasured()))},
		{"Time", timeSpent(e)},
		{"Steal time", fmt.Sprintf("%.2f s", e.StealSec)},
	}
	if e.QEMU != "" {
		out = append(out, [2]string{"QEMU", e.QEMU})
	}
	for _, m := range []struct {
		name string
		m    map[string]string
	}{{"Tools", e.Tools}, {"Mitigations", e.Mitigations}, {"Kernel facts", e.KernelFacts}} {
		var parts []string
		for k, v := range m.m {
			parts = append(parts, k+": "+v)
		}
		sort.Strings(parts)
		if len(parts) > 0 {
			out = append(out, [2]string{m.name, strings.Join(parts, "; ")})
		}
	}
	passed := harness.Count(e.Gates, func(g record.Gate) bool { return g.Passed })
	failed := harness.Map(harness.Filter(e.Gates, func(g record.Gate) bool { return !g.Passed }), func(g record.Gate) string {
		first, _, _ := strings.Cut(g.Detail, "\n") // the page has all of it under the gates
		return g.Variant + " " + g.Where + ": " + first
	})
	gates := fmt.Sprintf("%d passed", passed)
	if kept := harness.Filter(e.Gates, func(g record.Gate) bool { return g.Kept != nil }); len(kept) > 0 {
		first := slices.MinFunc(kept, func(a, b record.Gate) int { return a.Kept.Compare(*b.Kept) })
		gates += fmt.Sprintf(", %d of them in earlier runs of this lab, the first on %s", len(kept), first.Kept.Format("2006-01-02"))
	}
	if len(failed) > 0 {
		gates += "; failed: " + strings.Join(failed, "; ")
	}
	return append(out, [2]string{"Correctness gates", gates})
}

// headline says, for each class and each plot of bars, which variant leads and by how much over the others.
func headline(a *verdict.Analysis) []string {
	var out []string
	seen := map[string]bool{}
	for _, spec := range a.Run.Env.Plots {
		way := a.Run.Env.Better(spec.Workload, spec.Unit)
		if spec.X != "" || spec.Kind != "" || way == 0 {
			continue
		}
		candidates := harness.Filter(plot.Choose(a.Samples, spec), func(s *record.Sample) bool {
			return s.Cell.Class != harness.ClassCeiling && a.Summary(s).Median > 0
		})
		for _, class := range harness.GroupBy(candidates, func(s *record.Sample) string { return s.Cell.Class }) {
			name := class[0].Cell.Class
			k := spec.Workload + " " + spec.Unit + plot.WhereText(spec) + " " + name
			if len(class) >= 2 && !seen[k] {
				seen[k] = true
				out = append(out, lead(a, spec, name, class, way))
			}
		}
	}
	return out
}

// lead compares the best of a class with its second and its last, paired by repeat.
func lead(a *verdict.Analysis, spec harness.PlotSpec, class string, ss []*record.Sample, way int) string {
	slices.SortStableFunc(ss, func(x, y *record.Sample) int { return way * cmp.Compare(a.Summary(y).Median, a.Summary(x).Median) })
	floor := max(verdict.NoiseOf(a.Noise, spec.Workload, spec.Unit), verdict.DefaultMinEffect)
	best := ss[0]
	sc := unit.ScaleFor(spec.Unit, []float64{a.Summary(best).Median})
	title := spec.Title
	if !strings.HasSuffix(title, "class "+class) {
		title += ", class " + class
	}
	text := fmt.Sprintf("%s: %s leads with %s %s", title, best.Cell.Variant, sc.Format(a.Summary(best).Median), sc.Unit)
	for _, o := range slices.Compact([]*record.Sample{ss[1], ss[len(ss)-1]}) {
		num, den := best, o
		if way < 0 {
			num, den = o, best
		}
		q, ok := verdict.PairedRatio(num, den)
		switch {
		case !ok:
		case q.Confidence < stats.Enough || q.Lo <= 1 || q.Median < 1+floor:
			text += fmt.Sprintf("; against %s no difference is shown (~ %s)", o.Cell.Variant, unit.Digits(q.Median))
		default:
			text += fmt.Sprintf("; %s times %s [%s, %s]", unit.Digits(q.Median), o.Cell.Variant, unit.Digits(q.Lo), unit.Digits(q.Hi))
		}
	}
	return text
}

// missing lists what of the experiment was not measured.
func missing(r *record.Run) []string {
	have := map[string]bool{}
	for _, t := range r.Trials {
		have["workload "+t.Cell.Workload] = true
		have["variant "+strings.TrimSuffix(t.Cell.Variant, harness.SuffixAA)] = true
	}
	var out []string
	for _, w := range r.Env.Workloads {
		if !have["workload "+w.Name] {
			out = append(out, "workload "+w.Name+" ("+w.About+"): no trial")
		}
	}
	for _, v := range r.Env.Variants {
		if !have["variant "+v.Name] {
			out = append(out, "variant "+v.Name+" ("+v.About+"): no trial")
		}
	}
	if len(r.Env.AA) == 0 {
		out = append(out, "the run's own noise: no variant was measured twice")
	}
	if !r.Env.Complete {
		out = append(out, "the run is "+r.State())
	}
	return out
}

// timeSpent is how long a run took and how much of it was measurement. On target exact that is the guests' own time.
func timeSpent(e *record.Env) string {
	if e.Target == harness.TargetExact {
		return fmt.Sprintf("%.0f s, in which %.0f s of the guests' time were measured", e.TotalSec, e.MeasuredSec)
	}
	return fmt.Sprintf("%.0f s, %s of it measuring", e.TotalSec, unit.Percent(e.ShareMeasured(), false))
}
