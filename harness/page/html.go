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
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/plot"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

//go:embed page.html
var pageText string

//go:embed style.css
var style string

//go:embed script.js
var script string

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
	for _, folder := range []string{".", plotsDir, stacksDir} {
		if err := record.RemoveTemp(root, folder); err != nil {
			return "", fmt.Errorf("write report: %w", err)
		}
	}
	plots, remarks, err := plot.Plots(a.Run)
	if err == nil {
		err = plot.Write(plots, root, plotsDir)
	}
	if err != nil {
		return "", err
	}
	page := newPage(a, plots, remarks)
	files, rows := stackFiles(a, nil)
	if err := writeStacks(root, stacksDir, files); err != nil {
		return "", err
	}
	page.addStacks(rows)
	var text bytes.Buffer
	if err = page.Write(&text, Frame{}); err == nil {
		err = record.WriteFile(root, pageFile, text.Bytes())
	}
	if err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	return Path(dir), nil
}

// Path is where the page of a run directory is.
func Path(dir string) string { return filepath.Join(dir, pageFile) }

// A Frame is what surrounds the page of a run on a site; the zero Frame is that of a page that stands alone.
type Frame struct {
	Links  []Link // in the order in which they stand
	Charts string // the address of the file with ChartScript; "": the page holds it
}

// A Link leads to another page.
type Link struct{ Text, To string }

// A Page is the page of one run.
type Page struct {
	Frame
	Run       *record.Run
	ID        verdict.Identity
	Shown     string // target, kernel and date, in a line
	Answer    []Sentence
	Judged    string
	Lead      []Picture // the plot that carries the answer, if it could be drawn
	Claims    []Claim
	Unasked   int // claims that the run did not ask for
	Verdicts  []htmlGrid
	Workloads []workloadTables
	Plots     []Picture // all others
	Undrawn   []string
	Stacks    []StackRow // of the page in a run directory, beside which the files are
	Classes   []class
	Trials    []workloadTrials
	TrialIDs  map[string]string
	Causes    map[string][]Link // of a cell, harness.Cell.BenchName: its functions and stacks on the page
	Omitted   int               // rows of trials left out
	Facts     [][2]string
	Noise     []verdict.Noise
	Broken    []string
	Missing   []string
	Without   []string      // cells without a number
	Warnings  []string      // about the samples
	Gates     []record.Gate // those that failed, or whose detail has several lines
	Style     template.CSS
	Colours   template.CSS // of its plots, which Style has too
	Script    template.JS
	ChartTag  template.HTML // ends a page with charts
}

// A Sentence is one of the answer, with the need that it speaks to.
type Sentence struct{ Need, Text string }

type class struct {
	Name     string
	Variants []harness.Variant
}

type htmlGrid struct {
	ID            string // "" if no other part of the page leads to it
	Title, Footer string
	Head          []string
	Rows          [][]string
}

// Style is the style of all pages of the lab.
func Style() template.CSS { return template.CSS(style) }

// Script is the script of all pages of the lab.
func Script() template.JS { return template.JS(script) }

// New draws the plots of a run and makes its page.
func New(a *verdict.Analysis) (*Page, error) {
	plots, remarks, err := plot.Plots(a.Run)
	if err != nil {
		return nil, err
	}
	return newPage(a, plots, remarks), nil
}

// Write writes the page as one self-contained file, without links to other files but those of the frame.
func (p *Page) Write(w io.Writer, frame Frame) error {
	t, err := template.New("page").Funcs(template.FuncMap{"verdict": verdictStyle, "upper": upper, "plural": plural, "pair": pair}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("parse page: %w", err)
	}
	framed := *p
	framed.Frame = frame
	if Charted(slices.Concat(p.Lead, p.Plots)) {
		framed.Style, framed.ChartTag = ChartStyle()+p.Style, ChartTag(frame.Charts)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, &framed); err != nil {
		return err
	}
	_, err = w.Write(Clean(text.Bytes()))
	return err
}

// Clean is a page without the control characters that HTML forbids, which names in a record may hold.
func Clean(text []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// upper is a text that begins a sentence.
func upper(text string) string {
	for i, r := range text {
		return string(unicode.ToUpper(r)) + text[i+utf8.RuneLen(r):]
	}
	return text
}

// pair is a table with the page that it is on, for the template.
func pair(t panelTable, p *Page) any {
	return struct {
		T panelTable
		P *Page
	}{t, p}
}

// verdictStyle is the class of a verdict on a page; "" for words that are none.
func verdictStyle(word string) string {
	switch word {
	case verdict.Better, verdict.Passed:
		return "good"
	case verdict.Worse, verdict.Failed:
		return "bad"
	case verdict.Differs:
		return "warn"
	}
	return ""
}

func newPage(a *verdict.Analysis, plots []plot.Plot, remarks []string) *Page {
	r, b := a.Run, newBoard(a)
	p := &Page{Run: r, ID: a.ID, Facts: facts(r), Noise: a.Noise, Gates: gatesOfNote(r), Without: a.Unmeasured, Warnings: a.Warnings,
		Claims: Claims(a), Workloads: shortened(b.tablesOf()), Missing: missing(r), Undrawn: remarks, Script: Script()}
	p.Shown = fmt.Sprintf("%s, kernel %s, %s; %s", a.ID.Target, a.ID.Kernel, a.ID.CPU, a.ID.Date)
	p.Shown += "; " + commitText(r.Env.Commit)
	p.Answer, p.Judged = b.sentences(), strings.Join(b.judged(), " ")
	p.Unasked = len(a.Findings) - len(p.Claims)
	p.Causes = map[string][]Link{}
	for i, g := range append(verdicts(a), functionGrids(a)...) {
		h := htmlGrid{"", g.title, g.footer, g.head, g.rows}
		if len(g.cells) > 0 {
			h.ID = fmt.Sprintf("functions-%d", i+1)
		}
		for _, cell := range g.cells {
			p.Causes[cell] = append(p.Causes[cell], Link{"functions", "#" + h.ID})
		}
		p.Verdicts = append(p.Verdicts, h)
	}
	p.Broken = verdict.BrokenGates(a.Noise, verdict.DefaultMinEffect)
	p.Trials, p.TrialIDs, p.Omitted = trialsOf(b)
	colours := palette{}
	lead := leadPlot(&r.Env, plots)
	for _, pl := range plots {
		pic := Picture{Name: pl.Name, Title: pl.Title, SVG: colours.inline(pl, p.TrialIDs), Chart: inPage(pl.Chart, p.TrialIDs)}
		if pl.Name == lead {
			if n, err := plot.Narrow(r, pl); err == nil { // what could be drawn wide
				pic.Narrow = colours.inline(n, p.TrialIDs)
			}
			p.Lead = []Picture{pic}
		} else {
			p.Plots = append(p.Plots, pic)
		}
	}
	p.Style, p.Colours = Style()+colours.rules(), colours.rules()
	for _, same := range harness.GroupBy(r.Env.Variants, func(v harness.Variant) string { return v.Class }) {
		p.Classes = append(p.Classes, class{same[0].Class, same})
	}
	return p
}

// addStacks adds rows of profiles whose files are beside the page.
func (p *Page) addStacks(rows []StackRow) {
	p.Stacks = rows
	for _, r := range rows {
		p.Causes[r.Cell] = append(p.Causes[r.Cell], Link{"stacks", "#" + r.ID})
	}
}

// leadPlot names the plot that carries the answer: the definition's, or the first that was drawn; "" if there is none.
func leadPlot(e *record.Env, plots []plot.Plot) string {
	if slices.ContainsFunc(plots, func(p plot.Plot) bool { return p.Name == e.AnswerPlot }) {
		return e.AnswerPlot
	}
	if len(plots) > 0 {
		return plots[0].Name
	}
	return ""
}

// commitText says of which commit the program was that made a run. A hash may be of a commit that was never published.
func commitText(commit string) string {
	if commit == "" {
		return "commit not known"
	}
	hash, dirty := strings.CutSuffix(commit, "+dirty")
	text := "commit " + hash[:min(12, len(hash))]
	if dirty {
		text += " with changes that were not committed"
	}
	return text
}

// openSentences is how many sentences of an answer a page shows at once where it is narrow; the others are folded.
const openSentences = 3

// First are the sentences of the answer that are never folded.
func (p *Page) First() []Sentence { return p.Answer[:min(openSentences, len(p.Answer))] }

// Rest are those that are folded on a narrow page.
func (p *Page) Rest() []Sentence { return p.Answer[len(p.First()):] }

// sentences are those of the answer, with the needs apart.
func (b board) sentences() []Sentence {
	heads := append([]string{sayYes, sayNo, sayUnknown}, harness.Map(b.a.Run.Env.Answers, func(a harness.Answer) string { return a.Need })...)
	return harness.Map(b.answer(), func(text string) Sentence {
		for _, head := range heads {
			if rest, ok := strings.CutPrefix(text, head+": "); ok {
				return Sentence{head, rest}
			}
		}
		return Sentence{"", text}
	})
}

// facts are the conditions of the run.
func facts(r *record.Run) [][2]string {
	e := &r.Env
	out := [][2]string{
		{"Target", e.Target}, {"Kernel", e.Kernel}, {"CPU", e.CPU}, {"State", r.State()},
		{"Date", e.Started.Format("2006-01-02 15:04:05 MST")}, {"Commit", cmp.Or(e.Commit, "not known")}, {"Profile", unit.OrDash(e.Profile)},
		{"Seed", fmt.Sprint(e.Seed)}, {"Command", unit.OrDash(strings.Join(e.Command, " "))},
		{"Trials", fmt.Sprintf("%d counted, %d rejected, %s without a number", len(r.Trials), len(e.Rejected), plural(len(r.Unmeasured()), "cell"))},
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
