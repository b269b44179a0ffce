// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"html/template"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness/plot"
)

// A Picture is a plot as a part of a page.
type Picture struct {
	Name, Title string
	SVG         template.HTML
	Narrow      template.HTML // the same for narrow pages; "" if it has none
}

// On is the picture on another page: its values lead to trials on the page at that address.
func (p Picture) On(address string) Picture {
	for _, svg := range []*template.HTML{&p.SVG, &p.Narrow} {
		*svg = template.HTML(strings.ReplaceAll(string(*svg), `<a href="#`, `<a href="`+template.HTMLEscapeString(address)+`#`))
	}
	return p
}

var (
	svgHead   = regexp.MustCompile(`(?s)^.*?(<svg)`)
	svgSize   = regexp.MustCompile(`width="[^"]*" height="[^"]*" `)
	svgSpace  = regexp.MustCompile(`\s+xmlns(:\w+)?="[^"]*"`) // HTML knows what svg is
	svgColour = regexp.MustCompile(`(fill|stroke):#([0-9A-Fa-f]{6})\b`)
)

// A palette collects the colours of a page's plots, for which dark pages have others.
type palette map[string]bool

// inline is a plot's SVG as a part of a page: without its prologue, of any size, with its title for screen readers, with colours that a
// dark page changes, and with a box over each value that says it and leads to its trials.
func (colours palette) inline(p plot.Plot, trials map[string]string) template.HTML {
	svg := svgHead.ReplaceAllString(string(p.SVG), "$1")
	label := `role="img" aria-label="` + template.HTMLEscapeString(p.Title) + `" `
	svg = svgSize.ReplaceAllLiteralString(svg, label) // literal: a title may hold "$1"
	svg = svgSpace.ReplaceAllString(svg, "")
	svg = svgColour.ReplaceAllStringFunc(svg, func(c string) string {
		kind, code, _ := strings.Cut(c, ":#")
		code = strings.ToLower(code)
		colours[code] = true
		return kind + ":var(--c" + code + ")"
	})
	var hits strings.Builder
	for _, h := range p.Hits {
		box := fmt.Sprintf(`<rect class="hit" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`,
			h.X, h.Y, h.Width, h.Height, template.HTMLEscapeString(h.Text))
		if id := trials[h.Cell]; id != "" {
			box = `<a href="#` + id + `">` + box + `</a>`
		}
		hits.WriteString(box)
	}
	return template.HTML(strings.Replace(svg, "</svg>", hits.String()+"</svg>", 1))
}

// rules give the colours their values, on light pages and on dark ones.
func (colours palette) rules() template.CSS {
	if len(colours) == 0 {
		return ""
	}
	var light, dark strings.Builder
	for _, code := range slices.Sorted(maps.Keys(colours)) {
		fmt.Fprintf(&light, " --c%s: #%[1]s;", code)
		fmt.Fprintf(&dark, " --c%s: #%s;", code, darkened(code))
	}
	return template.CSS(":root {" + light.String() + " }\n@media screen and (prefers-color-scheme: dark) { :root {" + dark.String() + " } }\n")
}

// darkened is a colour of a light page as it is on a dark one: of the same hue, as light as it was dark. White is the page's own.
func darkened(code string) string {
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
		to = max(to, 0.55) // no band, but a line
	}
	// The distance of each channel from the lightness keeps its share of what is possible.
	room := func(l float64) float64 { return min(l, 1-l) }
	channel := func(v float64) uint8 { return uint8(math.Round(255 * (to + (v-light)*room(to)/room(light)))) }
	return fmt.Sprintf("%02x%02x%02x", channel(r), channel(g), channel(b))
}
