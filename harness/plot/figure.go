// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"fmt"
	"hash/fnv"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
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

func newFigure(r *record.Run, spec harness.PlotSpec, chosen []*record.Sample) (*figure, error) {
	f := &figure{title: spec.Title, plot: plot.New(), width: 8 * vg.Inch, height: 4.6 * vg.Inch}
	e := &r.Env
	least, level := chosen[0], 1.0
	var mids []float64
	for _, s := range chosen {
		if len(s.Values) < len(least.Values) {
			least = s
		}
		m := stats.Summarize(s.Values)
		level = math.Min(level, m.Confidence)
		mids = append(mids, m.Median)
	}
	sc := unit.ScaleFor(spec.Unit, mids)
	metric, _ := e.Metric(spec.Workload, spec.Unit)
	f.subtitle = fmt.Sprintf("%s, kernel %s, %s", e.Target, e.Kernel, e.CPU)
	if spec.Kind == harness.PlotSeries || spec.Kind == harness.PlotFlows || spec.Kind == harness.PlotTimeline {
		f.subtitle += "\nthe first trial of each"
	} else if len(least.Values) > 1 {
		f.subtitle += fmt.Sprintf("\nmedian of n ≥ %d with interval at %s; %s is better", len(least.Values), unit.Percent(level, false), unit.OrDash(metric.Better))
	} else {
		f.subtitle += fmt.Sprintf("\none trial, no interval; %s is better", unit.OrDash(metric.Better))
	}
	f.subtitle += WhereText(spec)
	if !e.Complete {
		f.subtitle += "; RUN " + strings.ToUpper(r.State())
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

// WhereText lists the axis values that a plot is restricted to: "; ip 4".
func WhereText(spec harness.PlotSpec) (text string) {
	for _, w := range spec.Where {
		text += "; " + w.Name + " " + w.Value
	}
	return text
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

// format sets fonts, greys and the grid of a plot.
func (f *figure) format(vertical, horizontal bool) {
	p := f.plot
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font, a.Label.TextStyle.Color = sans(vg.Points(9.5), false), ink
		a.Tick.Label.Font, a.Tick.Label.Color = sans(vg.Points(8.5), false), ink
		a.LineStyle.Color, a.LineStyle.Width = faint, vg.Points(0.6)
		a.Tick.LineStyle = a.LineStyle
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

// labelText is an axis label with the scaled unit in place of the unit in brackets in the definition.
func labelText(label string, sc unit.Scale) string {
	if i := strings.LastIndex(label, " ("); i >= 0 && strings.HasSuffix(label, ")") {
		label = label[:i]
	}
	if label == "" {
		return sc.Unit
	}
	return label + ", " + sc.Unit
}

// hues are dark enough for lines on white and distinct with common colour blindness: the palette of Okabe and Ito (2008) without
// yellow, and darker and lighter colours.
func hues() []color.RGBA {
	return []color.RGBA{
		{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
		{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0x33, 0x22, 0x88, 0xff}, {0x88, 0x22, 0x55, 0xff},
		{0x99, 0x99, 0x33, 0xff}, {0x66, 0x11, 0x00, 0xff}, {0x11, 0x77, 0x33, 0xff}, {0xee, 0x33, 0x77, 0xff},
	}
}

// A lineStyle is how a variant is drawn, the same in all plots of a run.
type lineStyle struct {
	color color.RGBA
	glyph draw.GlyphDrawer
	dash  []vg.Length
}

// lineStyleOf is a variant's style, by its place in the definition; ceilings are grey and dashed. Lines with similar colours also
// differ in their glyphs, and have their names at their ends.
func lineStyleOf(e *record.Env, variant string) lineStyle {
	glyphs := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{},
		draw.BoxGlyph{}, draw.RingGlyph{}, draw.PlusGlyph{}, draw.CrossGlyph{}}
	base := strings.TrimSuffix(variant, harness.SuffixAA)
	v, known := e.Variant(base)
	ceiling := known && v.Class == harness.ClassCeiling
	h := fnv.New32a()
	h.Write([]byte(base))
	n := int(h.Sum32() % 1000)
	if known {
		peers := harness.Filter(e.Variants, func(o harness.Variant) bool { return (o.Class == harness.ClassCeiling) == ceiling })
		n = slices.IndexFunc(peers, func(o harness.Variant) bool { return o.Name == base })
	}
	if ceiling {
		g := uint8(0x55 + 0x28*(n%3))
		return lineStyle{color.RGBA{g, g, g, 0xff}, glyphs[n%len(glyphs)], []vg.Length{vg.Points(4), vg.Points(float64(2 + n%3))}}
	}
	hs := hues()
	l := lineStyle{color: hs[n%len(hs)], glyph: glyphs[n%len(glyphs)]}
	if base != variant {
		l.dash = []vg.Length{vg.Points(1), vg.Points(2)}
	}
	return l
}

// fade mixes a colour with white, for bands behind lines.
func fade(c color.RGBA, share float64) color.RGBA {
	mix := func(v uint8) uint8 { return uint8(255 - share*(255-float64(v))) }
	return color.RGBA{mix(c.R), mix(c.G), mix(c.B), 0xff}
}
