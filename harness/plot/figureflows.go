// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
)

// ownScale is the scale of the series that a plot draws, or otherwise if there is none.
func ownScale(r *record.Run, chosen []*record.Sample, name string, otherwise unit.Scale) unit.Scale {
	var values []float64
	base := ""
	for _, s := range chosen {
		for _, o := range rawSeries(r, s.Cell.BenchName(), name) {
			base, values = o.Unit, append(values, o.Y...)
		}
	}
	if base == "" {
		return otherwise
	}
	return unit.ScaleFor(base, values)
}

// flows draws the numbered series of one variant's first trial ("SERIES 1", "SERIES 2", …), a line each, named by their number
// and notes.
func (f *figure) flows(r *record.Run, spec harness.PlotSpec, chosen []*record.Sample, sc unit.Scale) error {
	if len(chosen) > 1 {
		return noPlot(fmt.Sprintf("both %s and %s are chosen: name an axis or a variant more", chosen[0].Cell.BenchName(), chosen[1].Cell.BenchName()))
	}
	f.format(false, true)
	sc = ownScale(r, chosen, spec.Series+" 1", sc)
	f.chart = &Chart{X: ChartAxis{Unit: "s"}, Y: ChartAxis{Unit: sc.Unit}}
	var names []string // what the flows are called
	for k := 1; ; k++ {
		found := rawSeries(r, chosen[0].Cell.BenchName(), fmt.Sprintf("%s %d", spec.Series, k))
		if len(found) == 0 {
			break
		}
		names = append(names, found[0].Notes)
	}
	// Flows of different variants have the variants' colours.
	hue := func(k int) color.RGBA { return hues()[(k-1)%len(hues())] }
	known := func(name string) bool { _, ok := r.Env.Variant(name); return ok }
	slices.Sort(names)
	if n := len(names); len(slices.Compact(slices.Clone(names))) == n && harness.Count(names, known) == n {
		hue = func(k int) color.RGBA {
			return lineStyleOf(&r.Env, rawSeries(r, chosen[0].Cell.BenchName(), fmt.Sprintf("%s %d", spec.Series, k))[0].Notes).color
		}
	}
	for k := 1; ; k++ {
		found := rawSeries(r, chosen[0].Cell.BenchName(), fmt.Sprintf("%s %d", spec.Series, k))
		if len(found) == 0 {
			break
		}
		xys := points(found[0], sc)
		l, err := plotter.NewLine(xys)
		if err != nil {
			return err
		}
		l.Color, l.Width = hue(k), vg.Points(1.4)
		f.plot.Add(l)
		name := fmt.Sprintf("%d %s", k, found[0].Notes)
		f.labels = append(f.labels, endLabel{name, math.NaN(), xys[len(xys)-1].Y, hue(k), false})
		f.chart.trace(name, chosen[0].Cell.BenchName(), lineStyle{color: hue(k)}, xys)
	}
	if len(f.labels) == 0 {
		return noPlot("no trial has a series " + spec.Series + " 1")
	}
	f.plot.X.Label.Text, f.plot.X.Tick.Marker = "time, s", niceTicks{}
	f.label(&f.plot.Y, spec.Labels.Y, sc, spec.LogY)
	f.axes(spec)
	return nil
}

// tile is one cell of a heat map.
type tile struct {
	x, y  int
	value float64
	text  string
}

// heatmap draws the values of every variant (rows) over an axis whose values are words or numbers (columns). Of many rows, those that have the
// least value in each column are left out and counted: they are not where variants differ.
func (f *figure) heatmap(spec harness.PlotSpec, chosen []*record.Sample, sc unit.Scale) error {
	var tiles []tile
	least, most := math.Inf(1), math.Inf(-1)
	medians := map[*record.Sample]float64{}
	for _, s := range chosen {
		medians[s] = stats.Summarize(s.Values).Median
		least, most = math.Min(least, medians[s]), math.Max(most, medians[s])
	}
	columns := distinct(chosen, func(s *record.Sample) string { return s.Cell.Axis(spec.X) })
	rows := distinct(chosen, func(s *record.Sample) string { return s.Cell.Variant })
	above := distinct(harness.Filter(chosen, func(s *record.Sample) bool { return medians[s] > least }), func(s *record.Sample) string { return s.Cell.Variant })
	f.subtitle += "; " + labelText(spec.Labels.Y, sc) + "; " + shadeText(spec.Unit)
	if len(rows) > mostRows && len(above) > 0 {
		f.subtitle += fmt.Sprintf("\nnot drawn: %s with %s in each column", harness.Plural(len(rows)-len(above), "row"), sc.Format(least))
		rows = above
	}
	slices.SortStableFunc(columns, byNumber)
	slices.Sort(rows)
	slices.Reverse(rows)
	for _, s := range chosen {
		t := tile{slices.Index(columns, s.Cell.Axis(spec.X)), slices.Index(rows, s.Cell.Variant), medians[s], sc.Format(medians[s])}
		if t.y < 0 {
			continue
		}
		if slices.ContainsFunc(tiles, func(o tile) bool { return o.x == t.x && o.y == t.y }) {
			return noPlot(fmt.Sprintf("several cells of %s at %s=%s are chosen: name an axis more", s.Cell.Variant, spec.X, columns[t.x]))
		}
		tiles = append(tiles, t)
		text := valueText(s, ", "+spec.X+" "+s.Cell.Axis(spec.X), stats.Summarize(s.Values), sc)
		f.marks = append(f.marks, mark{float64(t.x) - 0.48, float64(t.x) + 0.48, float64(t.y), 0.46, text, s.Cell.BenchName()})
	}
	f.format(false, false)
	row := 0.32
	if len(rows) > mostRows/2 {
		row = 0.2
	}
	f.height = vg.Length(1.8+row*float64(len(rows))) * vg.Inch
	f.plot.Add(heat{tiles, least, most}, heads(columns))
	f.plot.NominalX(columns...)
	f.plot.NominalY(rows...)
	f.plot.X.Label.Text = spec.Labels.X
	f.plot.X.Min, f.plot.X.Max = -0.5, float64(len(columns))-0.5
	f.plot.Y.Min, f.plot.Y.Max = -0.5, float64(len(rows))-0.5+headRow*0.2/row
	return nil
}

// mostRows is how many rows of a heat map are drawn without a choice. headRow is the height of the names above them, in low rows.
const (
	mostRows = 30
	headRow  = 0.9
)

// shadeText says what the shades of a heat map mean.
func shadeText(name string) string {
	if name == harness.UnitFate {
		return "darker: worse; white: no such program"
	}
	return "darker: higher; white: not measured"
}

// heads are the names of columns, above the first row too.
type heads []string

func (h heads) Plot(c draw.Canvas, p *plot.Plot) {
	tx, _ := p.Transforms(&c)
	st := tickStyle()
	st.XAlign, st.YAlign = draw.XCenter, draw.YTop
	for i, name := range h {
		c.FillText(st, vg.Point{X: tx(float64(i)), Y: c.Max.Y}, name)
	}
}

// heat draws tiles, darker for higher values.
type heat struct {
	tiles       []tile
	least, most float64
}

func (h heat) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	for _, t := range h.tiles {
		share := 0.1
		if h.most > h.least {
			share += 0.75 * (t.value - h.least) / (h.most - h.least)
		}
		x, y := float64(t.x), float64(t.y)
		c.FillPolygon(fade(hues()[0], share), []vg.Point{
			{X: tx(x - 0.48), Y: ty(y - 0.46)}, {X: tx(x + 0.48), Y: ty(y - 0.46)},
			{X: tx(x + 0.48), Y: ty(y + 0.46)}, {X: tx(x - 0.48), Y: ty(y + 0.46)},
		})
		st := style(vg.Points(8.5), ink)
		if share > 0.55 {
			st.Color = fade(hues()[0], 0)
		}
		st.XAlign, st.YAlign = draw.XCenter, draw.YCenter
		c.FillText(st, vg.Point{X: tx(x), Y: ty(y)}, t.text)
	}
}
