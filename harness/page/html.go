// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"regexp"
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

// pageFile and plotsDir are what generate writes into a run directory.
const (
	pageFile = "report.html"
	plotsDir = "plots"
)

// generate reads a run directory and writes its page and its plots beside the record. It returns the page's path.
func generate(dir string) (string, error) {
	r, err := record.Open(dir)
	if err != nil {
		return "", err
	}
	return Write(verdict.Analyze(r))
}

// Write writes the page and the plots of a run into its directory. It returns the page's path.
func Write(a *verdict.Analysis) (string, error) {
	dir := a.Run.Dir
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	defer root.Close()
	if _, err := plot.WritePlots(a.Run, root, plotsDir); err != nil {
		return "", err
	}
	var text bytes.Buffer
	if err = writeHTML(&text, a); err == nil {
		err = record.WriteFile(root, pageFile, text.Bytes())
	}
	if err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	return filepath.Join(dir, pageFile), nil
}

// page is what the template sees of one run.
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
	Warnings []string      // what is weak about the samples
	Gates    []record.Gate // those that failed, or caught what is broken on purpose
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

// writeHTML writes one self-contained page about the runs: no script, nothing fetched.
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
	for _, g := range verdicts(a) {
		p.Verdicts = append(p.Verdicts, htmlGrid{Title: g.title, Footer: g.footer, Head: g.head, Rows: g.rows})
	}
	p.Broken = verdict.BrokenGates(a.Noise, verdict.DefaultMinEffect)
	plots, remarks, err := plot.Plots(r)
	if err != nil {
		return p, err
	}
	for _, pl := range plots {
		p.Plots = append(p.Plots, picture{pl.Name, pl.Title, inline(pl)})
	}
	p.Missing = append(missing(r), remarks...)
	at := map[string]int{}
	for _, t := range newTables(a) {
		i, ok := at[t.Class]
		if !ok {
			i = len(p.Classes)
			at[t.Class] = i
			c := class{Name: t.Class}
			for _, v := range r.Env.Variants {
				if v.Class == t.Class {
					c.Variants = append(c.Variants, v)
				}
			}
			p.Classes = append(p.Classes, c)
		}
		g := t.grid()
		p.Classes[i].Grids = append(p.Classes[i].Grids, htmlGrid{g.title, g.footer, t.About, g.head, g.rows})
	}
	return p, nil
}

// inline is a plot's SVG as a part of a page: without its prologue, of any size, with its title for screen readers.
func inline(p plot.Plot) template.HTML {
	svg := svgHead.ReplaceAllString(string(p.SVG), "$1")
	label := `role="img" aria-label="` + template.HTMLEscapeString(p.Title) + `" `
	return template.HTML(svgSize.ReplaceAllLiteralString(svg, label)) // literal: a title may hold "$1"
}

// facts says what ran where.
func facts(r *record.Run) [][2]string {
	e := &r.Env
	out := [][2]string{
		{"Target", e.Target}, {"Kernel", e.Kernel}, {"CPU", e.CPU}, {"State", r.State()},
		{"Date", e.Started.Format("2006-01-02 15:04:05 MST")}, {"Commit", unit.OrDash(e.Commit)}, {"Profile", unit.OrDash(e.Profile)},
		{"Seed", fmt.Sprint(e.Seed)}, {"Command", unit.OrDash(strings.Join(e.Command, " "))},
		{"Trials", fmt.Sprintf("%d counted, %d rejected, %d cells without a number", len(r.Trials), len(e.Rejected), len(r.Unmeasured()))},
		{"Time", fmt.Sprintf("%.0f s, %s of it measuring", e.TotalSec, unit.Percent(e.ShareMeasured(), false))},
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
	passed := 0
	var failed []string
	for _, g := range e.Gates {
		if g.Passed {
			passed++
		} else {
			first, _, _ := strings.Cut(g.Detail, "\n") // all of it stands further down
			failed = append(failed, g.Variant+" "+g.Where+": "+first)
		}
	}
	gates := fmt.Sprintf("%d passed", passed)
	if len(failed) > 0 {
		gates += "; failed: " + strings.Join(failed, "; ")
	}
	return append(out, [2]string{"Correctness gates", gates})
}

// headline says, for each class and each plot of bars, which variant leads and by how much over the others.
func headline(a *verdict.Analysis) []string {
	r := a.Run
	var out []string
	seen := map[string]bool{}
	for _, spec := range r.Env.Plots {
		if spec.X != "" || spec.Kind != "" {
			continue
		}
		way := r.Env.Better(spec.Workload, spec.Unit)
		byClass := map[string][]*record.Sample{}
		var order []string
		for _, s := range plot.Choose(a.Samples, spec) {
			c := s.Cell.Class
			if c == harness.ClassCeiling || way == 0 || a.Summary(s).Median <= 0 {
				continue
			}
			if byClass[c] == nil {
				order = append(order, c)
			}
			byClass[c] = append(byClass[c], s)
		}
		for _, c := range order {
			k := spec.Workload + " " + spec.Unit + plot.WhereText(spec) + " " + c
			if len(byClass[c]) < 2 || seen[k] {
				continue
			}
			seen[k] = true
			out = append(out, lead(a, spec, c, byClass[c], way))
		}
	}
	return out
}

// lead compares the best of a class with its next and its last, paired by repeat.
func lead(a *verdict.Analysis, spec harness.PlotSpec, class string, ss []*record.Sample, way int) string {
	sort.SliceStable(ss, func(i, j int) bool {
		return float64(way)*a.Summary(ss[i]).Median > float64(way)*a.Summary(ss[j]).Median
	})
	floor := verdict.NoiseOf(a.Noise, spec.Workload, spec.Unit)
	floor = max(floor, verdict.DefaultMinEffect)
	best := ss[0]
	sc := unit.ScaleFor(spec.Unit, []float64{a.Summary(best).Median})
	title := spec.Title
	if !strings.HasSuffix(title, "class "+class) {
		title += ", class " + class
	}
	text := fmt.Sprintf("%s: %s leads with %s %s", title, best.Cell.Variant, sc.Format(a.Summary(best).Median), sc.Unit)
	for i, o := range []*record.Sample{ss[1], ss[len(ss)-1]} {
		if i == 1 && len(ss) == 2 {
			break
		}
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

// missing says what of the experiment was not measured.
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
