// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"cmp"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/unit"
)

// bars draws one horizontal bar a variant, best on top, with its interval and its value.
func (f *figure) bars(e *record.Env, spec harness.PlotSpec, chosen []*record.Sample, sc unit.Scale) error {
	bs, err := bars(chosen, e.Better(spec.Workload, spec.Unit))
	if err != nil {
		return err
	}
	f.format(true, false)
	f.height = vg.Length(1.35+0.29*float64(len(bs))) * vg.Inch
	p := f.plot
	p.X.Min, p.X.Max = 0, 0
	names := make([]string, len(bs))
	for i, b := range bs {
		y := float64(len(bs) - 1 - i)
		names[len(bs)-1-i] = b.sample.Cell.Variant
		l := lineStyleOf(e, b.sample.Cell.Variant)
		v := b.Median * sc.Factor
		pg, err := plotter.NewPolygon(plotter.XYs{{X: 0, Y: y - 0.34}, {X: v, Y: y - 0.34}, {X: v, Y: y + 0.34}, {X: 0, Y: y + 0.34}})
		if err != nil {
			return err
		}
		pg.Color, pg.LineStyle.Width = fade(l.color, 0.85), 0
		p.Add(pg)
		hi := v
		if b.Confidence > 0 {
			hi = math.Max(v, b.Hi*sc.Factor)
			p.Add(whisker{x0: b.Lo * sc.Factor, x1: b.Hi * sc.Factor, y: y})
		}
		f.labels = append(f.labels, endLabel{sc.Format(b.Median), hi, y, ink, false})
		f.marks = append(f.marks, mark{0, v, y, 0.34, valueText(b.sample, "", b.Summary, sc), b.sample.Cell.BenchName()})
		p.X.Max = math.Max(p.X.Max, hi)
	}
	if p.X.Max == 0 {
		p.X.Max = 1
	}
	p.X.Label.Text = labelText(cmp.Or(spec.Labels.Y, spec.Labels.X), sc)
	p.X.Tick.Marker = niceTicks{}
	p.NominalY(names...)
	p.Y.Tick.Length = 0
	p.Y.Tick.Label.Font = sans(vg.Points(9), false)
	p.Y.Padding, p.X.Padding = 0, vg.Points(3)
	p.Y.Min, p.Y.Max = -0.6, float64(len(bs))-0.4
	return nil
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
