// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"image/color"
	"math"
	"slices"
	"sort"
	"strings"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness"
)

// draw puts the figure on a canvas and returns where its values are.
func (f *figure) draw(c draw.Canvas) []Hit {
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	left, top := c.Min.X+vg.Points(12), c.Max.Y-vg.Points(6)
	for _, l := range f.header() {
		top -= vg.Points(3)
		c.FillText(l.style, vg.Point{X: left, Y: top}, l.text)
		top -= l.style.Font.Size + vg.Points(-0.5)
	}
	in := draw.Crop(c, vg.Points(10), -f.margin, vg.Points(8), top-vg.Points(8)-c.Max.Y)
	f.plot.Draw(in)
	data := f.plot.DataCanvas(in)
	f.drawEdge(c, data)
	f.drawBeside(c, data)
	return f.hits(data)
}

// A headerLine is one of the title or of the subtitle.
type headerLine struct {
	text  string
	style text.Style
}

// header is the title and the subtitle, in lines that fit the figure.
func (f *figure) header() (out []headerLine) {
	title, sub := style(vg.Points(13), ink), style(vg.Points(8.5), faint)
	title.Font = sans(vg.Points(13), true)
	for _, part := range []headerLine{{f.title, title}, {f.subtitle, sub}} {
		part.style.XAlign, part.style.YAlign = draw.XLeft, draw.YTop
		for _, l := range wrap(part.text, part.style.Width, f.width-vg.Points(20)) {
			out = append(out, headerLine{l, part.style})
		}
	}
	return out
}

// wrap breaks the lines of a text between words so that each fits into the room, if its words do.
func wrap(text string, width func(string) vg.Length, room vg.Length) (lines []string) {
	for _, whole := range strings.Split(text, "\n") {
		line := ""
		for _, word := range strings.Fields(whole) {
			longer := strings.TrimSpace(line + " " + word)
			if line != "" && width(longer) > room {
				lines, longer = append(lines, line), word
			}
			line = longer
		}
		lines = append(lines, line)
	}
	return lines
}

// drawEdge writes the labels at the right edge, moved apart until none overlap.
func (f *figure) drawEdge(c, data draw.Canvas) {
	_, ty := f.plot.Transforms(&data)
	st := style(vg.Points(8.5), ink)
	st.XAlign, st.YAlign = draw.XLeft, draw.YCenter
	type placed struct {
		endLabel
		at, y vg.Length
	}
	var edge []placed
	gap := vg.Points(10.5)
	for _, l := range f.labels {
		if math.IsNaN(l.x) {
			edge = append(edge, placed{l, ty(l.y), ty(l.y)})
		}
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
		if s.Color = readable(l.color); strings.HasPrefix(l.text, "■") { // a key of areas, whose colour has to be theirs
			s.Color = l.color
		}
		c.FillText(s, vg.Point{X: x + vg.Points(16), Y: l.y}, l.text)
	}
}

// drawBeside writes the labels that belong to points, with a line to the point where it is not next to it.
func (f *figure) drawBeside(c, data draw.Canvas) {
	tx, ty := f.plot.Transforms(&data)
	st := style(vg.Points(8.5), ink)
	st.XAlign, st.YAlign = draw.XLeft, draw.YCenter
	labels := harness.Filter(f.labels, func(l endLabel) bool { return !math.IsNaN(l.x) })
	points := harness.Map(labels, func(l endLabel) vg.Point { return vg.Point{X: tx(l.x), Y: ty(l.y)} })
	sizes := harness.Map(labels, func(l endLabel) vg.Point { return vg.Point{X: st.Width(l.text), Y: vg.Points(9)} })
	bounds := vg.Rectangle{Min: data.Min, Max: vg.Point{X: c.Max.X - vg.Points(4), Y: data.Max.Y + vg.Points(6)}}
	for i, at := range beside(points, sizes, bounds) {
		p := points[i]
		near := vg.Point{X: min(max(p.X, at.Min.X), at.Max.X), Y: min(max(p.Y, at.Min.Y), at.Max.Y)}
		if d := math.Hypot(float64(near.X-p.X), float64(near.Y-p.Y)); d > float64(vg.Points(8)) {
			c.StrokeLine2(draw.LineStyle{Color: fade(labels[i].color, 0.5), Width: vg.Points(0.6)}, p.X, p.Y, near.X, near.Y)
		}
		c.FillText(st, vg.Point{X: at.Min.X, Y: (at.Min.Y + at.Max.Y) / 2}, labels[i].text)
	}
}

// half is half the size of a marker, with what has to be free around it.
const half = vg.Length(4)

// beside places texts of the given sizes beside points, where they hide neither a point nor each other: right of it if that is free, else
// in growing circles around it. A text that finds no place stands right of its point.
func beside(points, sizes []vg.Point, bounds vg.Rectangle) (out []vg.Rectangle) {
	box := func(x, y, w, h vg.Length) vg.Rectangle {
		return vg.Rectangle{Min: vg.Point{X: x - w/2, Y: y - h/2}, Max: vg.Point{X: x + w/2, Y: y + h/2}}
	}
	taken := harness.Map(points, func(p vg.Point) vg.Rectangle { return box(p.X, p.Y, 2*half, 2*half) })
	free := func(r vg.Rectangle) bool {
		inside := r.Min.X >= bounds.Min.X && r.Max.X <= bounds.Max.X && r.Min.Y >= bounds.Min.Y && r.Max.Y <= bounds.Max.Y
		return inside && !slices.ContainsFunc(taken, func(o vg.Rectangle) bool { return overlap(r, o) })
	}
	for i, p := range points {
		w, h := sizes[i].X, sizes[i].Y
		at := box(p.X+vg.Points(5)+w/2, p.Y, w, h)
	search:
		for ring := 0; ring < 14 && !free(at); ring++ {
			for _, angle := range []float64{0, 180, 90, 270, 45, 315, 135, 225} {
				sin, cos := math.Sincos(angle * math.Pi / 180)
				far := vg.Points(5 + 7*float64(ring))
				if try := box(p.X+vg.Length(cos)*(far+w/2), p.Y+vg.Length(sin)*(far+h/2), w, h); free(try) {
					at = try
					break search
				}
			}
		}
		taken, out = append(taken, at), append(out, at)
	}
	return out
}

func overlap(a, b vg.Rectangle) bool {
	return a.Min.X < b.Max.X && b.Min.X < a.Max.X && a.Min.Y < b.Max.Y && b.Min.Y < a.Max.Y
}
