// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"image/color"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// hues are dark enough for lines on white and distinct with common colour blindness: the palette of Okabe and Ito (2008) without
// yellow, and four more.
func hues() []color.RGBA {
	return []color.RGBA{
		{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
		{0xd8, 0x92, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0x33, 0x22, 0x88, 0xff}, {0x99, 0x99, 0x33, 0xff},
		{0x88, 0x22, 0x55, 0xff}, {0x77, 0x44, 0x11, 0xff},
	}
}

// A lineStyle is how a variant is drawn, the same in all plots of all runs of a definition.
type lineStyle struct {
	color color.RGBA
	glyph draw.GlyphDrawer
	dash  []vg.Length
}

// hueOf names the variants that share a hue: the definition's word, else that of the original of a port, else what the name begins
// with, up to a hyphen.
func hueOf(e *record.Env, v harness.Variant) string {
	if v.Hue != "" {
		return v.Hue
	}
	if original, ok := e.Variant(v.Original); ok && original.Name != v.Name && original.Original == "" {
		return hueOf(e, original)
	}
	head, _, _ := strings.Cut(v.Name, "-")
	return head
}

// lineStyleOf is a variant's style, by its place in the definition: variants of one hue differ in their shade and glyph, and a port is
// dashed. Ceilings are grey and dashed.
func lineStyleOf(e *record.Env, variant string) lineStyle {
	glyphs := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{},
		draw.BoxGlyph{}, draw.RingGlyph{}, draw.PlusGlyph{}, draw.CrossGlyph{}}
	v, _ := e.Variant(variant)
	if v.Class == harness.ClassCeiling {
		ceilings := harness.Filter(e.Variants, func(o harness.Variant) bool { return o.Class == harness.ClassCeiling })
		n := slices.IndexFunc(ceilings, func(o harness.Variant) bool { return o.Name == v.Name })
		g := uint8(0x55 + 0x28*(n%3))
		return lineStyle{color.RGBA{g, g, g, 0xff}, glyphs[n%len(glyphs)], []vg.Length{vg.Points(4), vg.Points(float64(2 + n%3))}}
	}
	var words []string
	hue, shade, place := 0, 0, 0
	for _, o := range e.Variants {
		if o.Class == harness.ClassCeiling {
			continue
		}
		word := hueOf(e, o)
		if !slices.Contains(words, word) {
			words = append(words, word)
		}
		if o.Name == v.Name {
			hue = slices.Index(words, word)
			break
		}
		if place++; word == hueOf(e, v) {
			shade++
		}
	}
	hs := hues()
	l := lineStyle{color: shaded(hs[hue%len(hs)], shade), glyph: glyphs[place%len(glyphs)]}
	switch {
	case strings.HasSuffix(variant, harness.SuffixAA):
		l.dash = []vg.Length{vg.Points(1), vg.Points(2)}
	case v.Original != "":
		l.dash = []vg.Length{vg.Points(5), vg.Points(2)}
	}
	return l
}

// shaded is the n-th shade of a hue: itself, darker, lighter, and so on.
func shaded(c color.RGBA, n int) color.RGBA {
	if step := float64((n+1)/2) / 3.2; n%2 == 0 {
		return fade(c, max(0.3, 1-0.8*step))
	} else {
		return darken(c, max(0.3, 1-step))
	}
}

// fade mixes a colour with white, for bands behind lines.
func fade(c color.RGBA, share float64) color.RGBA {
	mix := func(v uint8) uint8 { return uint8(255 - share*(255-float64(v))) }
	return color.RGBA{mix(c.R), mix(c.G), mix(c.B), 0xff}
}

func darken(c color.RGBA, share float64) color.RGBA {
	mix := func(v uint8) uint8 { return uint8(share * float64(v)) }
	return color.RGBA{mix(c.R), mix(c.G), mix(c.B), 0xff}
}

// readable is a colour for text on white: dark enough for a contrast of about 4.5.
func readable(c color.RGBA) color.RGBA {
	for 0.299*float64(c.R)+0.587*float64(c.G)+0.114*float64(c.B) > 115 {
		c = darken(c, 0.93)
	}
	return c
}
