// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"fmt"
	"image/color"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/kxlab/kxlab/harness/unit"
)

// A Chart is what a page draws a plot of lines from if it can run scripts: the plot's values, colours and axes. Its JSON is for the page's
// own script.
type Chart struct {
	Title  string       `json:"title,omitempty"`
	Notes  []string     `json:"notes,omitempty"`
	X      ChartAxis    `json:"x"`
	Y      ChartAxis    `json:"y"`
	Turned bool         `json:"turned,omitempty"` // X is upright, so that the values at one height are read off together
	Lines  []ChartLine  `json:"lines,omitempty"`
	Strips []ChartStrip `json:"strips,omitempty"`
	Marks  []ChartMarks `json:"marks,omitempty"`
	Page   string       `json:"page,omitempty"` // where the trials are; "": on the same page
}

// A ChartAxis is one of a chart. Values of lines are in its unit.
type ChartAxis struct {
	Label   string   `json:"label,omitempty"`
	Unit    string   `json:"unit,omitempty"` // behind a value
	Log     bool     `json:"log,omitempty"`
	Time    float64  `json:"time,omitempty"` // the seconds of 1, if ticks have the unit of time that suits them; 0: they have none
	Min     float64  `json:"min"`
	Max     float64  `json:"max"`
	At      Values   `json:"at,omitempty"`      // where ticks are; none: anywhere
	Names   []string `json:"names,omitempty"`   // of 0, 1, …
	Commits bool     `json:"commits,omitempty"` // its values are places in the page's list of commits
}

// A ChartLine is a line of a chart, or points with their intervals.
type ChartLine struct {
	Name   string   `json:"name,omitempty"`
	Colour string   `json:"colour"`         // six hexadecimal digits, or a property of the page's style, as in "--said"
	Dash   []int    `json:"dash,omitempty"` // points on and off
	X      Values   `json:"x,omitempty"`    // none: 0, 1, …
	Y      Values   `json:"y"`
	Low    Values   `json:"low,omitempty"` // of the intervals; as long as X, or none
	High   Values   `json:"high,omitempty"`
	Trials []int    `json:"n,omitempty"`  // of each point, or none
	Cells  []string `json:"to,omitempty"` // names of the cells (harness.Cell.BenchName), of each point or of all together
}

// A ChartStrip is when one task ran on one CPU: the times at which it began and how long it ran, on the axis X.
type ChartStrip struct {
	Row    int    `json:"row"` // on the axis Y
	Name   string `json:"name"`
	Colour string `json:"colour"`
	Start  Values `json:"start"`
	Long   Values `json:"long"`
}

// ChartMarks are upright lines.
type ChartMarks struct {
	Colour string `json:"colour"`
	X      Values `json:"x"`
}

// Values are numbers whose JSON has as many digits as a page shows.
type Values []float64

// MarshalJSON writes whole numbers in full, others as brief does, and NaN, which stands for no value, as null. It returns an error
// for an infinite value.
func (v Values) MarshalJSON() ([]byte, error) {
	out := []byte{'['}
	for i, x := range v {
		if i > 0 {
			out = append(out, ',')
		}
		switch a := math.Abs(x); {
		case math.IsNaN(x):
			out = append(out, "null"...)
		case math.IsInf(x, 0):
			return nil, fmt.Errorf("write chart: value %d is %v", i, x)
		case x == math.Trunc(x) && a < unit.Long:
			out = strconv.AppendFloat(out, x, 'f', 0, 64)
		default:
			out = append(out, brief(x)...)
		}
	}
	return append(out, ']'), nil
}

// brief is a number with five significant digits, or as many more as it takes to write it as unit.Digits does.
func brief(x float64) string {
	for digits := 5; ; digits++ {
		text := strconv.FormatFloat(x, 'g', digits, 64)
		if y, err := strconv.ParseFloat(text, 64); err != nil || y == x || unit.Digits(y) == unit.Digits(x) {
			return text
		}
	}
}

// code is a colour as six hexadecimal digits.
func code(c color.RGBA) string { return fmt.Sprintf("%02x%02x%02x", c.R, c.G, c.B) }

// chartLine is a line of a variant's style, without values.
func chartLine(name string, l lineStyle) ChartLine {
	c := ChartLine{Name: name, Colour: code(l.color)}
	for _, d := range l.dash {
		c.Dash = append(c.Dash, int(d/vg.Points(1)))
	}
	return c
}

// finish gives the chart of a drawn figure its texts and axes.
func (f *figure) finish() {
	if f.chart == nil {
		return
	}
	f.chart.Title, f.chart.Notes = f.title, strings.Split(f.subtitle, "\n")
	x, y := f.axis(f.plot.X), f.axis(f.plot.Y)
	x.Unit, y.Unit, y.Names = f.chart.X.Unit, f.chart.Y.Unit, f.chart.Y.Names
	if f.chart.Turned {
		x, y = y, x
	}
	f.chart.X, f.chart.Y = x, y
}

// axis is an axis of the plot as one of its chart.
func (f *figure) axis(a plot.Axis) ChartAxis {
	_, log := a.Scale.(plot.LogScale)
	c := ChartAxis{Label: a.Label.Text, Log: log, Min: a.Min, Max: a.Max}
	switch t := a.Tick.Marker.(type) {
	case timeTicks:
		c.Time = 1 / t.factor
	case exactTicks:
		c.At = slices.Sorted(maps.Keys(t.values))
	}
	return c
}

// add appends a point of an axis plot, in the scale of the plot.
func (c *ChartLine) add(p point, sc unit.Scale) {
	low, high := math.NaN(), math.NaN()
	if p.Confidence > 0 {
		low, high = p.Lo*sc.Factor, p.Hi*sc.Factor
	}
	c.X, c.Y, c.Low, c.High = append(c.X, p.x), append(c.Y, p.Median*sc.Factor), append(c.Low, low), append(c.High, high)
	c.Trials, c.Cells = append(c.Trials, len(p.sample.Values)), append(c.Cells, p.sample.Cell.BenchName())
}

// trace appends a curve of a cell to the chart.
func (c *Chart) trace(name, cell string, l lineStyle, xys plotter.XYs) {
	line := chartLine(name, l)
	line.Cells = []string{cell}
	for _, p := range xys {
		if c.Turned {
			p.X, p.Y = p.Y, p.X
		}
		line.X, line.Y = append(line.X, p.X), append(line.Y, p.Y)
	}
	c.Lines = append(c.Lines, line)
}
