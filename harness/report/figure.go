// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"regexp"
	"sort"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// The greys of text and rules.
var (
	ink   = color.RGBA{0x22, 0x22, 0x22, 0xff}
	faint = color.RGBA{0x66, 0x66, 0x66, 0xff}
	rule  = color.RGBA{0xdd, 0xdd, 0xdd, 0xff}
)

// margin is left free at the right of a figure for the names of lines, or the values of bars.
const margin = 1.45 * vg.Inch

// A figure is a plot with its title, subtitle and the names at its right edge.
type figure struct {
	title, subtitle string
	plot            *plot.Plot
	width, height   vg.Length
	labels          []endLabel
}

// endLabel is text that belongs to a height of the data, drawn right of it.
type endLabel struct {
	text  string
	x, y  float64 // in the data; x is NaN for the right edge
	color color.RGBA
	loose bool // belongs to no height: no line leads to it
}

func newFigure(r *record.Run, spec harness.PlotSpec, chosen []*Sample) (*figure, error) {
	f := &figure{title: spec.Title, plot: plot.New(), width: 8 * vg.Inch, height: 4.6 * vg.Inch}
	e := &r.Env
	least, level := chosen[0], 1.0
	var mids []float64
	for _, s := range chosen {
		if len(s.Values) < len(least.Values) {
			least = s
		}
		m := summarize(s.Values)
		level = math.Min(level, m.Confidence)
		mids = append(mids, m.Median)
	}
	sc := scaleFor(spec.Unit, mids)
	f.subtitle = fmt.Sprintf("%s, kernel %s, %s", e.Target, e.Kernel, e.CPU)
	if spec.Kind == harness.PlotSeries || spec.Kind == harness.PlotFlows || spec.Kind == harness.PlotTimeline {
		f.subtitle += "\nthe first trial of each"
	} else if len(least.Values) > 1 {
		f.subtitle += fmt.Sprintf("\nmedian of n ≥ %d with interval at %s; %s is better", len(least.Values), percent(level, false), wayWord(e, spec))
	} else {
		f.subtitle += fmt.Sprintf("\none trial, no interval; %s is better", wayWord(e, spec))
	}
	if e.Complete {
		f.subtitle += whereText(spec)
	} else {
		f.subtitle += whereText(spec) + "; RUN " + strings.ToUpper(r.State())
	}
	switch {
	case spec.Kind == harness.PlotScatter:
		return f, f.scatter(r, spec, chosen, sc)
	case spec.Kind == harness.PlotSeries:
		return f, f.series(r, spec, chosen, sc)
	case spec.Kind == harness.PlotFlows:
		return f, f.flows(r, spec, chosen, sc)
	case spec.Kind == harness.PlotHeatmap:
		return f, f.heatmap(spec, chosen, sc)
	case spec.Kind == harness.PlotCDF:
		return f, f.cdf(r, spec, chosen, sc)
	case spec.Kind == harness.PlotTimeline:
		return f, f.timeline(r, spec, chosen)
	case spec.X == "":
		return f, f.bars(e, spec, chosen, sc)
	}
	return f, f.lines(e, spec, chosen, sc)
}

func wayWord(e *record.Env, spec harness.PlotSpec) string {
	m, _ := e.Metric(spec.Workload, spec.Unit)
	return orDash(m.Better)
}

func whereText(spec harness.PlotSpec) string {
	var b strings.Builder
	for _, w := range spec.Where {
		b.WriteString("; " + w.Name + " " + w.Value)
	}
	return b.String()
}

func sans(size vg.Length, bold bool) font.Font {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = 3 // font.WeightBold of x/image
	}
	return f
}

func style(size vg.Length, c color.Color) text.Style {
	return text.Style{Color: c, Font: sans(size, false), Handler: plot.DefaultTextHandler}
}

// dress sets fonts, greys and the grid of a plot.
func (f *figure) dress(vertical, horizontal bool) {
	p := f.plot
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font = sans(vg.Points(9.5), false)
		a.Label.TextStyle.Color = ink
		a.Tick.Label.Font = sans(vg.Points(8.5), false)
		a.Tick.Label.Color = ink
		a.LineStyle.Color = faint
		a.Tick.LineStyle.Color = faint
		a.LineStyle.Width, a.Tick.LineStyle.Width = vg.Points(0.6), vg.Points(0.6)
	}
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = nil, nil
	if vertical {
		g.Vertical.Color, g.Vertical.Width = rule, vg.Points(0.5)
	}
	if horizontal {
		g.Horizontal.Color, g.Horizontal.Width = rule, vg.Points(0.5)
	}
	p.Add(g)
}

// bars draws one horizontal bar a variant, best on top, with its interval and its value.
func (f *figure) bars(e *record.Env, spec harness.PlotSpec, chosen []*Sample, sc scale) error {
	bs, err := bars(chosen, better(e, spec.Workload, spec.Unit))
	if err != nil {
		return err
	}
	f.dress(true, false)
	f.height = vg.Length(1.35+0.29*float64(len(bs))) * vg.Inch
	p := f.plot
	p.X.Min, p.X.Max = 0, 0
	names := make([]string, len(bs))
	for i, b := range bs {
		y := float64(len(bs) - 1 - i)
		names[len(bs)-1-i] = b.variant
		l := lookOf(e, b.variant)
		v := b.Median * sc.factor
		pg, err := plotter.NewPolygon(plotter.XYs{{X: 0, Y: y - 0.34}, {X: v, Y: y - 0.34}, {X: v, Y: y + 0.34}, {X: 0, Y: y + 0.34}})
		if err != nil {
			return err
		}
		pg.Color, pg.LineStyle.Width = faded(l.color, 0.85), 0
		p.Add(pg)
		hi := v
		if b.Confidence > 0 {
			hi = math.Max(v, b.Hi*sc.factor)
			p.Add(whisker{x0: b.Lo * sc.factor, x1: b.Hi * sc.factor, y: y})
		}
		f.labels = append(f.labels, endLabel{sc.format(b.Median), hi, y, ink, false})
		p.X.Max = math.Max(p.X.Max, hi)
	}
	if p.X.Max == 0 {
		p.X.Max = 1
	}
	p.X.Min = 0
	p.X.Label.Text = labelText(spec.Labels.X, sc)
	if spec.Labels.Y != "" {
		p.X.Label.Text = labelText(spec.Labels.Y, sc)
	}
	p.X.Tick.Marker = niceTicks{}
	p.NominalY(names...)
	p.Y.Tick.Length = 0
	p.Y.Tick.Label.Font = sans(vg.Points(9), false)
	p.Y.Padding, p.X.Padding = 0, vg.Points(3)
	p.Y.Min, p.Y.Max = -0.6, float64(len(bs))-0.4
	return nil
}

// labelText is an axis label with the readable unit: a unit in brackets in the definition is replaced.
func labelText(label string, sc scale) string {
	if i := strings.LastIndex(label, " ("); i >= 0 && strings.HasSuffix(label, ")") {
		label = label[:i]
	}
	if label == "" {
		return sc.unit
	}
	return label + ", " + sc.unit
}

// lines draws one line a variant over an axis, with its interval as a band, and its name at its end.
func (f *figure) lines(e *record.Env, spec harness.PlotSpec, chosen []*Sample, sc scale) error {
	ls, err := lines(chosen, spec.X)
	if err != nil {
		return err
	}
	f.dress(false, true)
	p := f.plot
	xs := map[float64]bool{}
	for _, l := range ls {
		lk := lookOf(e, l.variant)
		var mid, up, down plotter.XYs
		for _, pt := range l.points {
			if !finite(spec.LogX, pt.x) || !finite(spec.LogY, pt.Lo) || !finite(spec.LogY, pt.Median) {
				continue
			}
			xs[pt.x] = true
			mid = append(mid, plotter.XY{X: pt.x, Y: pt.Median * sc.factor})
			up = append(up, plotter.XY{X: pt.x, Y: pt.Hi * sc.factor})
			down = append(down, plotter.XY{X: pt.x, Y: pt.Lo * sc.factor})
		}
		if len(mid) == 0 {
			continue
		}
		band := up
		for i := len(down) - 1; i >= 0; i-- {
			band = append(band, down[i])
		}
		pg, err := plotter.NewPolygon(band)
		if err != nil {
			return err
		}
		pg.Color, pg.LineStyle.Width = faded(lk.color, 0.2), 0
		ln, sp, err := plotter.NewLinePoints(mid)
		if err != nil {
			return err
		}
		ln.Color, ln.Width, ln.Dashes = lk.color, vg.Points(1.6), lk.dash
		sp.GlyphStyle = draw.GlyphStyle{Color: lk.color, Radius: vg.Points(2.6), Shape: lk.glyph}
		p.Add(pg, ln, sp)
		end := mid[len(mid)-1]
		f.labels = append(f.labels, endLabel{l.variant, math.NaN(), end.Y, lk.color, false})
	}
	if len(xs) == 0 {
		return fmt.Errorf("no value that a logarithmic axis can show")
	}
	p.X.Label.Text = spec.Labels.X
	if p.X.Label.Text == "" {
		p.X.Label.Text = spec.X
	}
	p.Y.Label.Text = labelText(spec.Labels.Y, sc)
	p.X.Tick.Marker = exactTicks(xs)
	if spec.LogX {
		p.X.Scale = plot.LogScale{}
	}
	if spec.LogY {
		p.Y.Scale = plot.LogScale{}
		p.Y.Tick.Marker = logTicks{}
		p.Y.Min, p.Y.Max = p.Y.Min/1.15, p.Y.Max*1.15
	} else {
		p.Y.Min, p.Y.Max = math.Min(0, p.Y.Min), p.Y.Max*1.05
		p.Y.Tick.Marker = niceTicks{}
	}
	if p.X.Min == p.X.Max {
		p.X.Min, p.X.Max = p.X.Min*0.5, p.X.Max*2
	}
	return nil
}

// draw puts the figure on a canvas.
func (f *figure) draw(c draw.Canvas) {
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	in := draw.Crop(c, vg.Points(10), -margin, vg.Points(8), -vg.Points(52))
	title := style(vg.Points(13), ink)
	title.Font = sans(vg.Points(13), true)
	title.XAlign, title.YAlign = draw.XLeft, draw.YTop
	left, top := c.Min.X+vg.Points(12), c.Max.Y-vg.Points(9)
	c.FillText(title, vg.Point{X: left, Y: top}, f.title)
	sub := style(vg.Points(8.5), faint)
	sub.XAlign, sub.YAlign = draw.XLeft, draw.YTop
	for i, l := range strings.Split(f.subtitle, "\n") {
		c.FillText(sub, vg.Point{X: left, Y: top - vg.Points(18+11*float64(i))}, l)
	}
	f.plot.Draw(in)
	f.drawLabels(c, f.plot.DataCanvas(in))
}

// drawLabels writes the labels beside the data. Those at the right edge are moved apart until none hides another.
func (f *figure) drawLabels(c, data draw.Canvas) {
	tx, ty := f.plot.Transforms(&data)
	st := style(vg.Points(8.5), ink)
	st.XAlign, st.YAlign = draw.XLeft, draw.YCenter
	type placed struct {
		endLabel
		at, y vg.Length
	}
	var edge []placed
	for _, l := range f.labels {
		y := ty(l.y)
		if !math.IsNaN(l.x) {
			c.FillText(st, vg.Point{X: tx(l.x) + vg.Points(5), Y: y}, l.text)
			continue
		}
		edge = append(edge, placed{l, y, y})
	}
	sort.SliceStable(edge, func(i, j int) bool { return edge[i].at < edge[j].at })
	gap := vg.Points(10.5)
	for range 200 {
		for i := 1; i < len(edge); i++ {
			if d := gap - (edge[i].y - edge[i-1].y); d > 0.01 {
				edge[i].y += d / 2
				edge[i-1].y -= d / 2
			}
		}
	}
	for _, l := range edge {
		x := data.Max.X
		if !l.loose {
			c.StrokeLine2(draw.LineStyle{Color: faded(l.color, 0.5), Width: vg.Points(0.6)}, x+vg.Points(4), l.at, x+vg.Points(13), l.y)
		}
		s := st
		s.Color = l.color
		c.FillText(s, vg.Point{X: x + vg.Points(16), Y: l.y}, l.text)
	}
}

// whisker is the interval of a bar.
type whisker struct{ x0, x1, y float64 }

func (w whisker) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	ls := draw.LineStyle{Color: ink, Width: vg.Points(1)}
	y, d := ty(w.y), vg.Points(3)
	c.StrokeLine2(ls, tx(w.x0), y, tx(w.x1), y)
	c.StrokeLine2(ls, tx(w.x0), y-d, tx(w.x0), y+d)
	c.StrokeLine2(ls, tx(w.x1), y-d, tx(w.x1), y+d)
}

var fontRE = regexp.MustCompile(`font-family:[^;"]*`)

// fixFonts names fonts that a browser on any machine has, beside the one that the text was laid out with.
func fixFonts(svg []byte) []byte {
	svg = fontRE.ReplaceAll(svg, []byte("font-family:Liberation Sans,Arimo,Arial,Helvetica,sans-serif"))
	return bytes.ReplaceAll(svg, []byte("font-variant:Sans;"), nil)
}
