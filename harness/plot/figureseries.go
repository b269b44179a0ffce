// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
)

// A noPlot error says why there is nothing to draw: the plot is left out with a remark.
type noPlot string

func (n noPlot) Error() string { return string(n) }

// rawSeries finds the series of that name in the cell's trials, in order of the repeats.
func rawSeries(r *record.Run, cell, name string) (out []harness.Series) {
	for _, t := range r.Trials {
		if t.Cell.BenchName() == cell {
			out = append(out, harness.Filter(t.Result.Series, func(s harness.Series) bool {
				return s.Name == name && len(s.Y) > 0 && len(s.X) == len(s.Y)
			})...)
		}
	}
	return out
}

// points are a series' points with scaled Y.
func points(s harness.Series, sc unit.Scale) (xys plotter.XYs) {
	for i, x := range s.X {
		xys = append(xys, plotter.XY{X: x, Y: s.Y[i] * sc.Factor})
	}
	return xys
}

// curve adds a line of a cell's variant, without points that a logarithmic axis cannot show, and returns the last point.
func (f *figure) curve(e *record.Env, spec harness.PlotSpec, cell harness.Cell, xys plotter.XYs) (end plotter.XY, err error) {
	pts := harness.Filter(xys, func(p plotter.XY) bool { return finite(spec.LogX, p.X) && finite(spec.LogY, p.Y) })
	if len(pts) == 0 {
		return end, noPlot("no value of " + cell.Variant + " that the axes can show")
	}
	l, err := plotter.NewLine(plotter.XYs(pts))
	if err != nil {
		return end, err
	}
	lk := lineStyleOf(e, cell.Variant)
	l.Color, l.Width, l.Dashes = lk.color, vg.Points(1.4), lk.dash
	f.plot.Add(l)
	f.chart.trace(cell.Variant, cell.BenchName(), lk, pts)
	return pts[len(pts)-1], nil
}

// axes sets the scales and ranges of both axes.
func (f *figure) axes(spec harness.PlotSpec) {
	p := f.plot
	if spec.LogX {
		p.X.Scale = plot.LogScale{}
		coverLog(&p.X)
	}
	if spec.LogY {
		p.Y.Scale = plot.LogScale{}
		coverLog(&p.Y)
	} else {
		p.Y.Min, p.Y.Max = math.Min(0, p.Y.Min), p.Y.Max*1.05
	}
	if p.X.Min == p.X.Max {
		p.X.Min, p.X.Max = p.X.Min*0.5, p.X.Max*2+1e-9
	}
	if p.Y.Min == p.Y.Max {
		p.Y.Max = p.Y.Min + 1
	}
}

// series draws a raw series of each variant's first trial over its X, seconds.
func (f *figure) series(r *record.Run, spec harness.PlotSpec, chosen []*record.Sample, sc unit.Scale) error {
	f.format(false, true)
	sc = ownScale(r, chosen, spec.Series, sc)
	f.chart = &Chart{X: ChartAxis{Unit: "s"}, Y: ChartAxis{Unit: sc.Unit}}
	err := f.curves(r, spec, chosen, func(found []harness.Series) plotter.XYs { return points(found[0], sc) },
		func(s *record.Sample, _ plotter.XYs, end plotter.XY) float64 {
			for _, m := range rawSeries(r, s.Cell.BenchName(), spec.Marks) {
				own := marks{m.X, fade(lineStyleOf(&r.Env, s.Cell.Variant).color, 0.35)}
				f.plot.Add(own)
				f.chart.Marks = append(f.chart.Marks, ChartMarks{code(own.color), own.x})
			}
			return end.Y
		})
	if err != nil {
		return err
	}
	f.plot.X.Label.Text, f.plot.X.Tick.Marker = cmp.Or(spec.Labels.X, "time, s"), niceTicks{}
	f.label(&f.plot.Y, spec.Labels.Y, sc, spec.LogY)
	f.axes(spec)
	return nil
}

// curves adds a line, made by shape of the variant's series, and a label at the height that place returns, for each variant. It
// returns a noPlot if no variant has values that the axes can show.
func (f *figure) curves(r *record.Run, spec harness.PlotSpec, chosen []*record.Sample, shape func([]harness.Series) plotter.XYs,
	place func(s *record.Sample, xys plotter.XYs, end plotter.XY) float64) error {
	var drawn bool
	nothing := noPlot("no trial has a series " + spec.Series)
	for _, s := range chosen {
		found := rawSeries(r, s.Cell.BenchName(), spec.Series)
		if len(found) == 0 {
			continue
		}
		xys := shape(found)
		end, err := f.curve(&r.Env, spec, s.Cell, xys)
		if errors.As(err, &nothing) { // the others may have values
			continue
		}
		if err != nil {
			return err
		}
		f.labels = append(f.labels, endLabel{s.Cell.Variant, math.NaN(), place(s, xys, end), lineStyleOf(&r.Env, s.Cell.Variant).color, false})
		drawn = true
	}
	if !drawn {
		return nothing
	}
	return nil
}

// cdf draws the distribution of each variant: the share of values that are not above. Of several trials it takes the median at
// each share.
func (f *figure) cdf(r *record.Run, spec harness.PlotSpec, chosen []*record.Sample, sc unit.Scale) error {
	f.format(true, true)
	f.chart = &Chart{Turned: true, X: ChartAxis{Unit: sc.Unit[strings.LastIndex(sc.Unit, " ")+1:]}, Y: ChartAxis{Unit: "%"}} // the curve has all quantiles
	shape := func(found []harness.Series) (xys plotter.XYs) {
		for i, share := range found[0].Y {
			var at []float64
			for _, o := range found {
				if i < len(o.Y) && o.Y[i] == share {
					at = append(at, o.X[i])
				}
			}
			xys = append(xys, plotter.XY{X: stats.Median(at) * sc.Factor, Y: 100 * share})
		}
		return xys
	}
	// All lines end at 100 %: their names stand in the order of their middles instead.
	middle := func(_ *record.Sample, xys plotter.XYs, _ plotter.XY) float64 { return xys[len(xys)/2].X }
	if err := f.curves(r, spec, chosen, shape, middle); err != nil {
		return err
	}
	slices.SortStableFunc(f.labels, func(a, b endLabel) int { return int(math.Copysign(1, a.y-b.y)) })
	for i := range f.labels {
		f.labels[i].y = 98 - 90*float64(i)/float64(max(8, len(f.labels)))
		f.labels[i].loose = true
	}
	f.label(&f.plot.X, spec.Labels.X, sc, spec.LogX)
	f.plot.Y.Label.Text, f.plot.Y.Tick.Marker = "share of values not above, %", niceTicks{}
	f.axes(spec)
	f.plot.Y.Max = 100
	return nil
}

// scatter draws one unit against another, a point a variant with its name.
func (f *figure) scatter(r *record.Run, spec harness.PlotSpec, chosen []*record.Sample, sc unit.Scale) error {
	f.format(true, true)
	other := spec
	other.Unit = spec.Against
	byVariant := map[string]float64{}
	var mids []float64
	for _, s := range Choose(r.Samples(), other) {
		if _, twice := byVariant[s.Cell.Variant]; twice {
			return noPlot(fmt.Sprintf("several cells of %s are chosen: name an axis more", s.Cell.Variant))
		}
		byVariant[s.Cell.Variant] = stats.Summarize(s.Values).Median
		mids = append(mids, byVariant[s.Cell.Variant])
	}
	sx := unit.ScaleFor(spec.Against, mids)
	for _, s := range chosen {
		x, ok := byVariant[s.Cell.Variant]
		y := stats.Summarize(s.Values).Median
		if !ok || !finite(spec.LogX, x) || !finite(spec.LogY, y) {
			continue
		}
		pts, err := plotter.NewScatter(plotter.XYs{{X: x * sx.Factor, Y: y * sc.Factor}})
		if err != nil {
			return err
		}
		lk := lineStyleOf(&r.Env, s.Cell.Variant)
		pts.GlyphStyle = draw.GlyphStyle{Color: lk.color, Radius: vg.Points(3.5), Shape: lk.glyph}
		f.plot.Add(pts)
		f.labels = append(f.labels, endLabel{s.Cell.Variant, x * sx.Factor, y * sc.Factor, lk.color, false})
		text := fmt.Sprintf("%s: %s %s, %s %s, n = %d", s.Cell.Variant, sc.Format(y), sc.Unit, sx.Format(x), sx.Unit, len(s.Values))
		f.marks = append(f.marks, mark{x * sx.Factor, x * sx.Factor, y * sc.Factor, 0, text, s.Cell.BenchName()})
	}
	if len(f.labels) == 0 {
		return noPlot("no variant has both " + spec.Unit + " and " + spec.Against)
	}
	f.label(&f.plot.X, spec.Labels.X, sx, spec.LogX)
	f.label(&f.plot.Y, spec.Labels.Y, sc, spec.LogY)
	f.axes(spec)
	if !spec.LogX {
		f.plot.X.Min, f.plot.X.Max = math.Min(0, f.plot.X.Min), f.plot.X.Max*1.05
	}
	if !spec.LogY {
		f.plot.Y.Max *= 1.07 // room for the names of the highest
	}
	return nil
}
