// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// marks are vertical lines.
type marks struct {
	x     []float64
	color color.RGBA
}

func (m marks) Plot(c draw.Canvas, p *plot.Plot) {
	tx, _ := p.Transforms(&c)
	for _, x := range m.x {
		if x >= p.X.Min && x <= p.X.Max {
			c.StrokeLine2(draw.LineStyle{Color: m.color, Width: vg.Points(0.5)}, tx(x), c.Min.Y, tx(x), c.Max.Y)
		}
	}
}

// taskSlices are the times that one task ran on one CPU, seconds, as boxes in a row.
type taskSlices struct {
	row         float64
	start, long []float64
	color       color.RGBA
}

func (t taskSlices) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	lo, hi := ty(t.row-0.38), ty(t.row+0.38)
	var boxes vg.Path // one for all: a page holds thousands
	for i, x := range t.start {
		// At least as wide as can be seen.
		left, right := tx(x*1e3), max(tx((x+t.long[i])*1e3), tx(x*1e3)+vg.Points(0.25))
		boxes.Move(vg.Point{X: left, Y: lo})
		boxes.Line(vg.Point{X: right, Y: lo})
		boxes.Line(vg.Point{X: right, Y: hi})
		boxes.Line(vg.Point{X: left, Y: hi})
		boxes.Close()
	}
	c.SetColor(t.color)
	c.Fill(boxes)
}

// timelineOther is the name of all tasks outside the load.
const timelineOther = "other"

// timeline draws, for the first trial of each variant, a row for each CPU with the tasks that ran on it.
func (f *figure) timeline(r *record.Run, spec harness.PlotSpec, chosen []*record.Sample) error {
	type strip struct {
		variant, cpu, task string
		harness.Series
	}
	var strips []strip
	var rows, tasks []string
	for _, s := range chosen {
		for _, t := range r.Trials {
			if t.Cell.BenchName() != s.Cell.BenchName() || t.Repeat != s.Repeats[0] {
				continue
			}
			var mine []strip
			for _, sr := range t.Result.Series {
				words := strings.Fields(sr.Name)
				if len(words) == 3 && words[0] == spec.Series && len(sr.X) == len(sr.Y) {
					mine = append(mine, strip{s.Cell.Variant, words[1], words[2], sr})
				}
			}
			slices.SortStableFunc(mine, func(a, b strip) int { return strings.Compare(a.cpu, b.cpu) })
			strips = append(strips, mine...)
		}
	}
	for _, s := range strips {
		if row := s.variant + "  CPU " + s.cpu; !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
		if !slices.Contains(tasks, s.task) && s.task != timelineOther {
			tasks = append(tasks, s.task)
		}
	}
	if len(rows) == 0 {
		return noPlot("no trial has series that begin with " + spec.Series)
	}
	slices.Sort(tasks)
	tasks = append(tasks, timelineOther)
	colors := map[string]color.RGBA{timelineOther: {0xbb, 0xbb, 0xbb, 0xff}}
	for i, t := range tasks[:len(tasks)-1] {
		colors[t] = hues()[i%len(hues())]
	}
	f.format(true, false)
	f.chart = &Chart{X: ChartAxis{Unit: "ms"}}
	p := f.plot
	p.X.Min, p.X.Max = 0, 0
	for _, s := range strips {
		at := float64(len(rows) - 1 - slices.Index(rows, s.variant+"  CPU "+s.cpu))
		p.Add(taskSlices{at, s.X, s.Y, colors[s.task]})
		ms := func(sec float64) float64 { return sec * 1e3 }
		f.chart.Strips = append(f.chart.Strips, ChartStrip{int(at), s.task, code(colors[s.task]), harness.Map(s.X, ms), harness.Map(s.Y, ms)})
		for i := range s.X {
			p.X.Max = math.Max(p.X.Max, (s.X[i]+s.Y[i])*1e3)
		}
	}
	slices.Reverse(rows)
	p.NominalY(rows...)
	f.chart.Y.Names = rows
	p.Y.Tick.Length = 0
	p.Y.Min, p.Y.Max = -0.6, float64(len(rows))-0.4
	p.X.Tick.Marker = niceTicks{}
	p.X.Label.Text = "time, ms"
	f.height = vg.Length(1.5+0.34*float64(len(rows))) * vg.Inch
	for i, t := range tasks {
		y := float64(len(rows)-1) - float64(i)*float64(len(rows))/float64(len(tasks))
		f.labels = append(f.labels, endLabel{"■ " + t, math.NaN(), y, colors[t], true})
	}
	return nil
}
