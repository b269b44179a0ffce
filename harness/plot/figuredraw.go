// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"image/color"
	"math"
	"slices"
	"sort"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// draw puts the figure on a canvas.
func (f *figure) draw(c draw.Canvas) {
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	in := draw.Crop(c, vg.Points(10), -margin, vg.Points(8), -vg.Points(30+11*float64(1+strings.Count(f.subtitle, "\n"))))
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

// drawLabels writes the labels beside the data. Labels at the right edge are moved apart until none overlap; labels beside a point
// are moved down, with a line to it.
func (f *figure) drawLabels(c, data draw.Canvas) {
	tx, ty := f.plot.Transforms(&data)
	st := style(vg.Points(8.5), ink)
	st.XAlign, st.YAlign = draw.XLeft, draw.YCenter
	type placed struct {
		endLabel
		at, y vg.Length
	}
	var edge []placed
	var written []vg.Rectangle
	gap := vg.Points(10.5)
	for _, l := range f.labels {
		y := ty(l.y)
		if !math.IsNaN(l.x) {
			at := vg.Point{X: tx(l.x) + vg.Points(5), Y: y}
			size := vg.Point{X: st.Width(l.text), Y: vg.Points(8)}
			hidden := func(r vg.Rectangle) bool {
				return r.Min.X < at.X+size.X && at.X < r.Max.X && r.Min.Y < at.Y+size.Y && at.Y < r.Max.Y
			}
			for slices.ContainsFunc(written, hidden) {
				at.Y -= vg.Points(1)
			}
			if y-at.Y > vg.Points(4) {
				c.StrokeLine2(draw.LineStyle{Color: fade(l.color, 0.5), Width: vg.Points(0.6)}, tx(l.x), y, at.X, at.Y)
			}
			written = append(written, vg.Rectangle{Min: at, Max: at.Add(size)})
			c.FillText(st, at, l.text)
			continue
		}
		edge = append(edge, placed{l, y, y})
	}
	sort.SliceStable(edge, func(i, j int) bool { return edge[i].at < edge[j].at })
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
			c.StrokeLine2(draw.LineStyle{Color: fade(l.color, 0.5), Width: vg.Points(0.6)}, x+vg.Points(4), l.at, x+vg.Points(13), l.y)
		}
		s := st
		s.Color = l.color
		c.FillText(s, vg.Point{X: x + vg.Points(16), Y: l.y}, l.text)
	}
}
