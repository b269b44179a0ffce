// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

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
