// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"hash/fnv"
	"image/color"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// hues are dark enough for lines on white and distinct with common colour blindness: the palette of Okabe and Ito (2008) without
// yellow, and darker and lighter colours.
func hues() []color.RGBA {
	return []color.RGBA{
		{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
		{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0x33, 0x22, 0x88, 0xff}, {0x88, 0x22, 0x55, 0xff},
		{0x99, 0x99, 0x33, 0xff}, {0x66, 0x11, 0x00, 0xff}, {0x11, 0x77, 0x33, 0xff}, {0xee, 0x33, 0x77, 0xff},
	}
}

// A lineStyle is how a variant is drawn, the same in all plots of a run.
type lineStyle struct {
	color color.RGBA
	glyph draw.GlyphDrawer
	dash  []vg.Length
}

// lineStyleOf is a variant's style, by its place in the definition; ceilings are grey and dashed. Lines with similar colours also
// differ in their glyphs, and have their names at their ends.
func lineStyleOf(e *record.Env, variant string) lineStyle {
	glyphs := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{},
		draw.BoxGlyph{}, draw.RingGlyph{}, draw.PlusGlyph{}, draw.CrossGlyph{}}
	base := strings.TrimSuffix(variant, harness.SuffixAA)
	v, known := e.Variant(base)
	ceiling := known && v.Class == harness.ClassCeiling
	h := fnv.New32a()
	h.Write([]byte(base))
	n := int(h.Sum32() % 1000)
	if known {
		peers := harness.Filter(e.Variants, func(o harness.Variant) bool { return (o.Class == harness.ClassCeiling) == ceiling })
		n = slices.IndexFunc(peers, func(o harness.Variant) bool { return o.Name == base })
	}
	if ceiling {
		g := uint8(0x55 + 0x28*(n%3))
		return lineStyle{color.RGBA{g, g, g, 0xff}, glyphs[n%len(glyphs)], []vg.Length{vg.Points(4), vg.Points(float64(2 + n%3))}}
	}
	hs := hues()
	l := lineStyle{color: hs[n%len(hs)], glyph: glyphs[n%len(glyphs)]}
	if base != variant {
		l.dash = []vg.Length{vg.Points(1), vg.Points(2)}
	}
	return l
}

// fade mixes a colour with white, for bands behind lines.
func fade(c color.RGBA, share float64) color.RGBA {
	mix := func(v uint8) uint8 { return uint8(255 - share*(255-float64(v))) }
	return color.RGBA{mix(c.R), mix(c.G), mix(c.B), 0xff}
}
