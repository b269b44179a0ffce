// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"html/template"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness/plot"
)

// A Picture is a plot as a part of a page.
type Picture struct {
	Name, Title string
	SVG         template.HTML
	Narrow      template.HTML // the same for narrow pages; "" if it has none
	Chart       *plot.Chart   // what takes its place on pages that run scripts; nil if nothing does
}

// Class is how the style of a page names the picture.
func (p Picture) Class() string {
	words := []string{}
	if p.Narrow != "" {
		words = append(words, "two")
	}
	if p.Chart != nil {
		words = append(words, "live")
	}
	return strings.Join(words, " ")
}

// Data is the picture's chart as data for the page's script, "" without a chart. It returns an error if a value of it is infinite.
func (p Picture) Data() (template.HTML, error) {
	if p.Chart == nil {
		return "", nil
	}
	return inData(p.Chart, "chart-data")
}

// On is the picture on another page: its values lead to trials on the page at that address.
func (p Picture) On(address string) Picture {
	if p.Chart != nil {
		own := *p.Chart
		own.Page, p.Chart = address, &own
	}
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
		fmt.Fprintf(&dark, " --c%s: #%s;", code, plot.OnDark(code))
	}
	return template.CSS(":root {" + light.String() + " }\n@media screen and (prefers-color-scheme: dark) { :root {" + dark.String() + " } }\n")
}
