// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/history"
	"github.com/kxlab/kxlab/harness/plot"
	"github.com/kxlab/kxlab/harness/unit"
)

// Limits of a page of a history: changes, series that are drawn, and points of a series that are dots.
const (
	mostChanges = 100
	mostDrawn   = 40
	mostDots    = 120
)

// A HistoryView is a history as a page shows it.
type HistoryView struct {
	Answer  string
	Changes []ChangeView
	More    int // changes left out
	Drawn   []DrawnSeries
	Subject [][2]string // hash and subject of each commit, if series are drawn
	Left    int         // series that changed and are not drawn
	Remarks []string
}

// A DrawnSeries is the picture of a series, with links to the changes that have its steps.
type DrawnSeries struct {
	Picture
	Changes []Link
}

// A ChangeView is what changed at a commit.
type ChangeView struct {
	ID, Title, Footer string
	Notes             []string   // what is known about its commits
	Rows              [][]string // cell, before, after, unit, change, verdict
	Head              []string
}

// Commits are the commits as data for the page's script; "" if no series is drawn.
func (v HistoryView) Commits() (template.HTML, error) {
	if len(v.Drawn) == 0 {
		return "", nil
	}
	return inData(v.Subject, "commits")
}

// NewHistory makes the view of a history. The series drawn are those with the largest steps.
func NewHistory(l history.Line, changes []history.Change) HistoryView {
	v := HistoryView{Answer: upper(historyTitle(l, changes)) + ".", Remarks: slices.Concat(notesLeft(l, changes), l.Remarks)}
	type named struct {
		history.Setting
		history.Series
	}
	steps := map[named][]int{}
	links := map[named][]Link{}
	size := map[named]float64{}
	for i, c := range changes {
		id := "at-" + short(l.Entries[c.At].Commit) + "-after-" + short(l.Entries[c.Since].Commit)
		if c.Drift {
			id += "-drift"
		}
		if i < mostChanges {
			g := changeGrid(l, c, false)
			v.Changes = append(v.Changes, ChangeView{ID: id, Title: g.title,
				Footer: strings.ReplaceAll(g.footer, " (--all)", ""), Notes: noteTexts(l, c), Rows: g.rows, Head: g.head})
		}
		for _, s := range c.Steps {
			n := named{s.Setting, s.Series}
			steps[n] = append(steps[n], c.At)
			if i < mostChanges {
				links[n] = append(links[n], Link{Text: short(l.Entries[c.At].Commit), To: "#" + id})
			}
			size[n] = max(size[n], math.Abs(s.Effect))
		}
	}
	v.More = max(0, len(changes)-mostChanges)
	drawn := l.Lines(func(set history.Setting, s history.Series) bool { return steps[named{set, s}] != nil })
	slices.SortStableFunc(drawn, func(x, y history.Drawn) int {
		return cmp.Compare(size[named{y.Setting, y.Series}], size[named{x.Setting, x.Series}])
	})
	for _, d := range drawn[:min(mostDrawn, len(drawn))] {
		sc := unit.ScaleFor(d.Unit, harness.Map(d.Points, func(p history.Point) float64 { return p.Median }))
		svg, chart := curve(l, d, sc, steps[named{d.Setting, d.Series}])
		v.Drawn = append(v.Drawn, DrawnSeries{Picture{Title: cellText(d.Setting, d.Cell) + ", " + sc.Column(d.Unit), SVG: svg, Chart: chart}, links[named{d.Setting, d.Series}]})
	}
	v.Subject = harness.Map(l.Entries, func(e history.Entry) [2]string { return [2]string{short(e.Commit), e.Subject} })
	v.Left = max(0, len(drawn)-mostDrawn)
	return v
}

// The size of a curve, and what is left free at its left for the values of the axis and at its right.
const (
	curveWidth, curveHeight = 720.0, 92.0
	curveLeft, curveRight   = 62.0, 12.0
)

// curve draws the medians of a series over its commits, with an upright line at each step. Commits stand at equal distances.
func curve(l history.Line, d history.Drawn, sc unit.Scale, steps []int) (template.HTML, *plot.Chart) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, p := range d.Points {
		lo, hi = min(lo, p.Median), max(hi, p.Median)
	}
	least := math.Inf(-1)
	if lo >= 0 {
		least = 0 // a count or a time is not below
	}
	if pad := 0.12 * (hi - lo); pad > 0 {
		lo, hi = max(lo-pad, least), hi+pad
	} else {
		lo, hi = max(lo-1, least), hi+1
	}
	last := max(1, len(l.Entries)-1)
	x := func(at int) float64 {
		return curveLeft + (curveWidth-curveLeft-curveRight)*float64(at)/float64(last)
	}
	y := func(v float64) float64 { return 8 + (curveHeight-22)*(hi-v)/(hi-lo) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="curve" viewBox="0 0 %g %g" role="img" aria-label="%s">`, curveWidth, curveHeight, template.HTMLEscapeString(d.Cell+" "+d.Unit))
	for _, v := range []float64{hi, lo} {
		fmt.Fprintf(&b, `<line class="bar-axis" x1="%g" x2="%g" y1="%.1f" y2="%[3]f"/><text class="bar-text" x="%[4]g" y="%.1[5]f" text-anchor="end">%s</text>`,
			curveLeft, curveWidth-curveRight, y(v), curveLeft-6, y(v)+3, template.HTMLEscapeString(sc.Format(v)))
	}
	for _, at := range steps {
		fmt.Fprintf(&b, `<line class="curve-step" x1="%.1f" x2="%[1]f" y1="4" y2="%g"/>`, x(at)-4, curveHeight-12)
	}
	var points []string
	level := func(i int) string { return fmt.Sprintf("%.1f", y(d.Points[i].Median)) }
	for i, p := range d.Points {
		if here := level(i); i == 0 || i == len(d.Points)-1 || here != level(i-1) || here != level(i+1) { // not within a level stretch
			points = append(points, fmt.Sprintf("%.1f,%s", x(p.At), here))
		}
	}
	fmt.Fprintf(&b, `<polyline class="curve-line" points="%s"/>`, strings.Join(points, " "))
	if len(d.Points) <= mostDots {
		for _, p := range d.Points {
			fmt.Fprintf(&b, `<circle class="curve-dot" cx="%.1f" cy="%.1f" r="2.5"/>`, x(p.At), y(p.Median))
		}
	}
	b.WriteString(`</svg>`)
	line := plot.ChartLine{Colour: "--said", Y: harness.Map(d.Points, func(p history.Point) float64 { return p.Median * sc.Factor })}
	if len(d.Points) < len(l.Entries) {
		line.X = harness.Map(d.Points, func(p history.Point) float64 { return float64(p.At) })
	}
	return template.HTML(b.String()), &plot.Chart{
		X: plot.ChartAxis{Commits: true, Max: float64(last)}, Y: plot.ChartAxis{Unit: sc.Unit, Min: lo * sc.Factor, Max: hi * sc.Factor}, Lines: []plot.ChartLine{line},
		Marks: []plot.ChartMarks{{Colour: "--bad", X: harness.Map(steps, func(at int) float64 { return float64(at) - 0.5 })}},
	}
}
