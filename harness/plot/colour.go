// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// hues are dark enough for lines on white and distinct with common colour blindness: the palette of Okabe and Ito (2008) without
// yellow and sky blue, which on a dark page is the blue, and four more.
func hues() []color.RGBA {
	return []color.RGBA{
		{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
		{0xd8, 0x92, 0x00, 0xff}, {0x33, 0x22, 0x88, 0xff}, {0x99, 0x99, 0x33, 0xff}, {0x88, 0x22, 0x55, 0xff},
		{0x77, 0x44, 0x11, 0xff},
	}
}

// relatives are variants that share a hue (an index of hues), in the order of their shades.
type relatives struct {
	hue      int
	variants []string
}

// known are the variants whose colour is the same in every experiment. Relatives that stand in no experiment together may share a hue.
func known() []relatives {
	return []relatives{
		{0, []string{"iptables", "iptables-nft", "iptables-rule", "iptables-flush", "iptables-nft-rule", "iptables-nft-flush"}},
		{0, []string{"cubic", "bpf-cubic", "bpf-cubic-steep", "bpf-cubic-wrong"}},
		{0, []string{"eevdf"}},
		{1, []string{"xdp-nat", "xdp-ipip", "xdp-ipip-shared", "xdp-jet", "xdp-dsr"}},
		{1, []string{"xdp-link", "xdp-netlink", "xdp-detach"}},
		{1, []string{"bbr", "bpf-bbr"}},
		{1, []string{"scx-interactive"}},
		{2, []string{"nftables"}},
		{2, []string{"nft", "nft-rule", "nft-flush", "module"}},
		{2, []string{"reno", "bpf-reno", "bpf-reno-mild"}},
		{2, []string{"scx-vtime"}},
		{3, []string{"ipvs-nat", "ipvs-nat-mh", "ipvs-tun", "ipvs-tun-mh", "ipvs-dr", "ipvs-script"}},
		{3, []string{"dctcp", "bpf-dctcp", "bpf-dctcp-hasty"}},
		{3, []string{"scx-percpu"}},
		{3, []string{"map-in-map", "ipvs-edit", "ipvs-restore", "ipvs-clear"}},
		{4, []string{"tc-nat", "tc-ipip"}},
		{4, []string{"tcx-link", "tcx-detach", "cgroup-link", "cgroup-detach"}},
		{4, []string{"vegas"}},
		{4, []string{"scx-learned"}},
		{5, []string{"sock-connect"}},
		{5, []string{"haproxy"}},
		{5, []string{"bpf-copa"}},
		{5, []string{"scx-fifo"}},
		{5, []string{"cls-bpf", "cls-bpf-delete", "haproxy-reload", "haproxy-restart", "sched-link"}},
		{6, []string{"nginx-stream"}},
		{6, []string{"westwood"}},
		{6, []string{"scx-batch"}},
		{6, []string{"tail-call", "tail-delete", "nginx-reload", "nginx-restart"}},
		{7, []string{"scx-stall"}},
		{7, []string{"cc-link", "cc-register", "sched-detach"}},
	}
}

// knownPlace is the hue and the shade of a known variant.
func knownPlace(variant string) (hue, shade int, ok bool) {
	for _, r := range known() {
		if i := slices.Index(r.variants, variant); i >= 0 {
			return r.hue, i, true
		}
	}
	return 0, 0, false
}

// A lineStyle is how a variant is drawn, the same in all plots of all runs of a definition. The colour of a known variant is the same in all
// definitions.
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

// lineStyleOf is a variant's style: variants of one hue differ in their shade and, by their place in the definition, in their glyph, and
// a port is dashed. Ceilings are grey and dashed.
func lineStyleOf(e *record.Env, variant string) lineStyle {
	glyphs := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{},
		draw.BoxGlyph{}, draw.RingGlyph{}, draw.PlusGlyph{}, draw.CrossGlyph{}}
	v, _ := e.Variant(variant)
	own := harness.Filter(e.Variants, func(o harness.Variant) bool {
		return (o.Class == harness.ClassCeiling) == (v.Class == harness.ClassCeiling)
	})
	n := max(0, slices.IndexFunc(own, func(o harness.Variant) bool { return o.Name == v.Name }))
	l := lineStyle{glyph: glyphs[n%len(glyphs)]}
	if v.Class == harness.ClassCeiling {
		g := uint8(0x55 + 0x28*(n%3))
		l.color, l.dash = color.RGBA{g, g, g, 0xff}, []vg.Length{vg.Points(4), vg.Points(float64(2 + n%3))}
		return l
	}
	l.color = colourOf(e, own, v)
	switch {
	case strings.HasSuffix(variant, harness.SuffixAA):
		l.dash = []vg.Length{vg.Points(1), vg.Points(2)}
	case v.Original != "":
		l.dash = []vg.Length{vg.Points(5), vg.Points(2)}
	}
	return l
}

// colourOf is a variant's colour among those of its definition that are no ceilings. One that is not known takes a hue that no other has, or
// that of its relatives, in the next shade.
func colourOf(e *record.Env, own []harness.Variant, v harness.Variant) color.RGBA {
	hs := hues()
	if hue, shade, ok := knownPlace(v.Name); ok {
		return shaded(hs[hue], shade)
	}
	taken := map[int]bool{}    // hues
	place := map[string]int{}  // of a word: its hue
	shades := map[string]int{} // of a word: how many of its shades are taken
	for _, o := range own {
		if hue, shade, ok := knownPlace(o.Name); ok {
			taken[hue] = true
			word := hueOf(e, o)
			place[word], shades[word] = hue, max(shades[word], shade+1)
		}
	}
	for _, o := range own {
		if _, _, ok := knownPlace(o.Name); ok {
			continue
		}
		word := hueOf(e, o)
		if _, ok := place[word]; !ok {
			place[word] = len(place) % len(hs)
			for i := range hs {
				if !taken[i] {
					place[word] = i
					break
				}
			}
			taken[place[word]] = true
		}
		if o.Name == v.Name {
			break
		}
		shades[word]++
	}
	return shaded(hs[place[hueOf(e, v)]], shades[hueOf(e, v)])
}

// shaded is the n-th shade of a hue: itself, then darker and lighter ones.
func shaded(c color.RGBA, n int) color.RGBA {
	switch n % 6 {
	case 1:
		return darken(c, 0.6)
	case 2:
		return fade(c, 0.62)
	case 3:
		return darken(c, 0.32)
	case 4:
		return fade(c, 0.4)
	case 5:
		return fade(darken(c, 0.78), 0.8)
	}
	return c
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

// OnDark is a colour of a light page, six hexadecimal digits, as it is on a dark one: of the same hue, the lighter the darker it was. White is
// the page's own.
func OnDark(code string) string {
	n, err := strconv.ParseUint(code, 16, 32)
	if err != nil || code == "ffffff" {
		return "16181b"
	}
	r, g, b := float64(n>>16)/255, float64(n>>8&255)/255, float64(n&255)/255
	hi, lo := max(r, g, b), min(r, g, b)
	light := (hi + lo) / 2
	to := 0.12 + 0.78*(1-light)
	if light == 0 || light == 1 || hi == lo {
		v := uint8(math.Round(255 * to))
		return fmt.Sprintf("%02x%02x%02x", v, v, v)
	}
	if light < 0.75 {
		to = 0.95 - 0.62*light // no band, but a line
	}
	// The distance of each channel from the lightness keeps its share of what is possible.
	room := func(l float64) float64 { return min(l, 1-l) }
	channel := func(v float64) uint8 { return uint8(math.Round(255 * (to + (v-light)*room(to)/room(light)))) }
	return fmt.Sprintf("%02x%02x%02x", channel(r), channel(g), channel(b))
}
