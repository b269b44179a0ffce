// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"fmt"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
)

// A mark is a drawn value with its text, in the data. x0 is where its bar begins; x0 == x for a point.
type mark struct {
	x0, x, y   float64
	high       float64 // of a bar, in the data; 0: a point
	text, cell string
}

// A Hit is a part of a plot that stands for a value: a box in points from the top left corner, the value in words, and the cell's
// name (harness.Cell.BenchName).
type Hit struct {
	X, Y, Width, Height float64
	Text, Cell          string
}

// reach is how far from a point the pointer may be, points.
const reach = 6

// hits are the figure's marks on a canvas of that height.
func (f *figure) hits(data draw.Canvas) (out []Hit) {
	tx, ty := f.plot.Transforms(&data)
	at := func(l vg.Length) float64 { return float64(l / vg.Points(1)) }
	for _, m := range f.marks {
		x0, x, y := at(tx(m.x0)), at(tx(m.x)), at(f.height-ty(m.y))
		half := float64(reach)
		if m.high > 0 {
			half = (at(f.height-ty(m.y-m.high)) - at(f.height-ty(m.y+m.high))) / 2
			out = append(out, Hit{x0, y - half, max(x-x0, 2*reach), 2 * half, m.text, m.cell})
			continue
		}
		out = append(out, Hit{x - half, y - half, 2 * half, 2 * half, m.text, m.cell})
	}
	return out
}

// valueText is a value in words: "xdp-nat, services 10000: 0.94 µs/pkt [0.92, 0.97], n = 5".
func valueText(s *record.Sample, where string, m stats.Summary, sc unit.Scale) string {
	text := s.Cell.Variant + where + ": " + sc.Format(m.Median) + " " + sc.Unit
	if m.Confidence > 0 {
		text += fmt.Sprintf(" [%s, %s]", sc.Format(m.Lo), sc.Format(m.Hi))
	}
	return text + fmt.Sprintf(", n = %d", len(s.Values))
}
