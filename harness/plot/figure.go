// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"

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

// A layout is the size of a figure.
type layout struct {
	width, height vg.Length
	margin        vg.Length // left free at the right for the names of lines, or the values of bars
}

// The layouts of a figure: for a page of usual width, and for a telephone, where text has to keep its size.
var (
	wide   = layout{8 * vg.Inch, 4.6 * vg.Inch, 1.45 * vg.Inch}
	narrow = layout{4.1 * vg.Inch, 4.2 * vg.Inch, 1.05 * vg.Inch}
)

// A figure is a plot with its title, subtitle and the names at its right edge.
type figure struct {
	layout
	title, subtitle string // lines
	plot            *plot.Plot
	labels          []endLabel
	marks           []mark
	chart           *Chart // of a plot of lines or of times; nil of others
}

// endLabel is text that belongs to a height of the data, drawn right of it.
type endLabel struct {
	text  string
	x, y  float64 // in the data; x is NaN for the right edge
	color color.RGBA
	loose bool // belongs to no height: no line leads to it
}

func newFigure(r *record.Run, spec harness.PlotSpec, chosen []*record.Sample, l layout) (*figure, error) {
	f := &figure{layout: l, title: spec.Title, plot: plot.New()}
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
	} else if spec.Kind == harness.PlotScatter {
		f.subtitle += fmt.Sprintf("\nmedians of n ≥ %d, without intervals; %s", len(least.Values), betterCorner(e, spec))
	} else if len(least.Values) > 1 {
		f.subtitle += fmt.Sprintf("\nmedian of n ≥ %d with interval at %s", len(least.Values), unit.Percent(level, false)) + betterText(metric)
	} else {
		f.subtitle += "\none trial, no interval" + betterText(metric)
	}
	f.subtitle += lengthText(r, chosen) + WhereText(spec)
	x, single := onlyValue(chosen, spec)
	if single {
		f.subtitle += fmt.Sprintf("; %s %s", spec.X, x)
	}
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
	case spec.X == "" || single:
		return f, f.bars(e, spec, chosen, sc)
	}
	return f, f.lines(e, spec, chosen, sc)
}

// lengthText says how long each trial measured: "; trials of 6 s". It is empty if they differ by over a tenth, or are not known.
func lengthText(r *record.Run, chosen []*record.Sample) string {
	in := map[string]bool{}
	for _, s := range chosen {
		in[s.Cell.BenchName()] = true
	}
	least, most := math.Inf(1), 0.0
	for _, t := range r.Trials {
		if in[t.Cell.BenchName()] {
			least, most = math.Min(least, t.Result.Measured.Seconds()), math.Max(most, t.Result.Measured.Seconds())
		}
	}
	if least <= 0 || most > 1.1*least {
		return ""
	}
	sc := unit.ScaleFor("sec", []float64{least})
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(least*sc.Factor, 'e', 1, 64), 64) // what FormatFloat wrote
	return "; trials of " + strconv.FormatFloat(rounded, 'f', -1, 64) + " " + sc.Unit
}

// betterText says which way a unit is better: "; lower is better". It is empty for a unit of which neither way is.
func betterText(m harness.MetricSpec) string {
	if m.Better == "neither" {
		return ""
	}
	return "; " + unit.OrDash(m.Better) + " is better"
}

// betterCorner says which way both axes of a scatter plot are better: "better: up (requests/s) and left (p99 time)".
func betterCorner(e *record.Env, spec harness.PlotSpec) string {
	way := func(name string, higher, lower string) string {
		switch e.Better(spec.Workload, name) {
		case 1:
			return higher + " (" + unit.Words(name) + ")"
		case -1:
			return lower + " (" + unit.Words(name) + ")"
		}
		return ""
	}
	ways := slices.DeleteFunc([]string{way(spec.Unit, "up", "down"), way(spec.Against, "right", "left")}, func(w string) bool { return w == "" })
	if len(ways) == 0 {
		return "neither axis is better one way"
	}
	return "better: " + strings.Join(ways, " and ")
}

// onlyValue is the one value of the axis of a plot of lines at which all was measured; false if there are several, or no such axis. A line
// has at least two points: such a plot has bars.
func onlyValue(chosen []*record.Sample, spec harness.PlotSpec) (string, bool) {
	x := chosen[0].Cell.Axis(spec.X)
	other := func(s *record.Sample) bool { return s.Cell.Axis(spec.X) != x }
	return x, spec.Kind == "" && spec.X != "" && !slices.ContainsFunc(chosen, other)
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
		a.Tick.Label.Font, a.Tick.Label.Color = tickStyle().Font, ink
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

// labelText is an axis label with the scaled unit in place of the unit in brackets in the definition. The label says which quantile it
// is, so the unit does not.
func labelText(label string, sc unit.Scale) string {
	if i := strings.LastIndex(label, " ("); i >= 0 && strings.HasSuffix(label, ")") {
		label = label[:i]
	}
	name := sc.Unit[strings.LastIndex(sc.Unit, " ")+1:]
	if label == "seconds" { // the definition's word for a time, whatever its scale
		label = "time"
	}
	switch {
	case label == "":
		return sc.Unit
	case isTime(name): // "p99 µs"
		return label + ", " + name
	}
	return label + ", " + sc.Unit
}

// isTime reports whether a scale's unit is of time, or of time per something.
func isTime(name string) bool {
	head, _, _ := strings.Cut(name, "/")
	return slices.Contains([]string{"s", "ms", "µs", "ns"}, head)
}

// label sets an axis' text and ticks. Times on a logarithmic axis have a unit at each tick, because decades need several.
func (f *figure) label(axis *plot.Axis, text string, sc unit.Scale, log bool) {
	axis.Label.Text = labelText(text, sc)
	axis.Tick.Marker = niceTicks{}
	if !log {
		return
	}
	axis.Tick.Marker = logTicks{}
	name := sc.Unit[strings.LastIndex(sc.Unit, " ")+1:]
	if !isTime(name) {
		return
	}
	_, per, found := strings.Cut(name, "/")
	axis.Tick.Marker = timeTicks{sc.Factor}
	axis.Label.Text = strings.TrimSuffix(strings.TrimSuffix(axis.Label.Text, name), ", ")
	if axis.Label.Text = strings.TrimSpace(axis.Label.Text); axis.Label.Text == "" || found && text == "" {
		axis.Label.Text = strings.TrimSpace(axis.Label.Text + " time per " + per)
	}
}
