// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"cmp"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/unit"
)

// lines draws one line a variant over an axis, with the interval of each point, and its name at its end. A variant measured at one value of the
// axis, where others were measured at several, is a point if that is the last value, else it is left out and named.
func (f *figure) lines(e *record.Env, spec harness.PlotSpec, chosen []*record.Sample, sc unit.Scale) error {
	ls, err := lines(chosen, spec.X)
	if err != nil {
		return err
	}
	f.format(false, true)
	f.chart = &Chart{Y: ChartAxis{Unit: sc.Unit}}
	p := f.plot
	xs := map[float64]bool{}
	most, last := 0, math.Inf(-1)
	for _, l := range ls {
		most, last = max(most, len(l.points)), max(last, l.points[len(l.points)-1].x)
	}
	var left []string
	var drawn []plot.Plotter // above the intervals of all
	for _, l := range ls {
		if len(l.points) == 1 && most > 1 && l.points[0].x < last {
			left = append(left, l.variant)
			continue
		}
		lk := lineStyleOf(e, l.variant)
		var mid plotter.XYs
		span := &spans{color: fade(lk.color, 0.6)}
		c := chartLine(l.variant, lk)
		for _, pt := range l.points {
			if !finite(spec.LogX, pt.x) || !finite(spec.LogY, pt.Lo) || !finite(spec.LogY, pt.Median) {
				continue
			}
			xs[pt.x] = true
			mid = append(mid, plotter.XY{X: pt.x, Y: pt.Median * sc.Factor})
			c.add(pt, sc)
			if pt.Confidence > 0 {
				span.all = append(span.all, [3]float64{pt.x, pt.Lo * sc.Factor, pt.Hi * sc.Factor})
			}
		}
		if len(mid) == 0 {
			continue
		}
		ln, sp, err := plotter.NewLinePoints(mid)
		if err != nil {
			return err
		}
		f.chart.Lines = append(f.chart.Lines, c)
		ln.Color, ln.Width, ln.Dashes = lk.color, vg.Points(1.6), lk.dash
		sp.GlyphStyle = draw.GlyphStyle{Color: lk.color, Radius: vg.Points(2.6), Shape: lk.glyph}
		p.Add(span)
		drawn = append(drawn, ln, sp)
		end := mid[len(mid)-1]
		f.labels = append(f.labels, endLabel{l.variant, math.NaN(), end.Y, lk.color, false})
	}
	p.Add(drawn...)
	if len(xs) == 0 {
		return noPlot("no value that a logarithmic axis can show")
	}
	p.X.Label.Text = cmp.Or(spec.Labels.X, spec.X)
	if len(left) > 0 {
		f.subtitle += "\nmeasured at one value that is not the last, not drawn: " + strings.Join(left, ", ")
	}
	f.label(&p.Y, spec.Labels.Y, sc, spec.LogY)
	p.X.Tick.Marker = exactTicks{xs, spec.LogX, f.width - f.margin - vg.Points(60)}
	if spec.LogX {
		p.X.Scale = plot.LogScale{}
	}
	if spec.LogY {
		p.Y.Scale = plot.LogScale{}
		coverLog(&p.Y)
	} else {
		p.Y.Min, p.Y.Max = math.Min(0, p.Y.Min), p.Y.Max*1.05
	}
	p.X.Padding = vg.Points(8) // no point on the axis
	if p.X.Min == p.X.Max {
		p.X.Min, p.X.Max = p.X.Min*0.5, p.X.Max*2
	}
	return nil
}

// spans are the intervals of a line's points: x, low, high.
type spans struct {
	all   [][3]float64
	color color.RGBA
}

func (s *spans) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	ls := draw.LineStyle{Color: s.color, Width: vg.Points(1)}
	for _, v := range s.all {
		x, d := tx(v[0]), vg.Points(2.5)
		c.StrokeLine2(ls, x, ty(v[1]), x, ty(v[2]))
		for _, y := range v[1:] {
			c.StrokeLine2(ls, x-d, ty(y), x+d, ty(y))
		}
	}
}

// DataRange is the range of the intervals.
func (s *spans) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, xmax, ymin, ymax = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, v := range s.all {
		xmin, xmax, ymin, ymax = min(xmin, v[0]), max(xmax, v[0]), min(ymin, v[1]), max(ymax, v[2])
	}
	return xmin, xmax, ymin, ymax
}
