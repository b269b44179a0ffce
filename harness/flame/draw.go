// SPDX-License-Identifier: Apache-2.0

package flame

import (
	"bufio"
	_ "embed"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/kxlab/kxlab/harness/profile"
)

// Sizes of a picture, pixels. Text is monospaced, so that its width is known.
const (
	width     = 1280
	margin    = 10
	row       = 17
	lineStep  = 16
	charWidth = 6.7 // at 11 px
	lineChars = 170 // of a line of notes
	// leastWidth is that of a frame that is drawn.
	leastWidth = 0.5
)

//go:embed script.js
var script string

// Draw writes the flame graph of a profile.
func Draw(w io.Writer, title string, p profile.Profile) error {
	_, unit := p.Scale()
	d := picture{root: newTree(p), unit: unit, colour: colourOf, about: func(n *node, whole float64) string {
		return fmt.Sprintf("%s %s, %s of the whole", number(n.values[0]), unit, percent(n.values[0], whole))
	}}
	d.head = []string{title, what(p), strings.Join(p.Notes, "; ")}
	d.legend = []swatch{{task, "task"}, {user, "function of a program"}, {kernel, "of the kernel"}, {bpf, "of a BPF program"}}
	if p.Kind == profile.OffCPU {
		d.legend = append(d.legend, swatch{waits, "able to run, waits for a CPU"})
	}
	return d.write(w)
}

// DrawDiff writes the differential flame graph of two profiles of the same kind, for one unit of work of each.
func DrawDiff(w io.Writer, title, nameA, nameB string, a, b profile.Profile) error {
	_, unit := b.Scale()
	if _, other := a.Scale(); other != unit { // of one the work is not known
		a.Work, b.Work = 0, 0
		_, unit = b.Scale()
	}
	d := picture{root: newTree(a, b), unit: unit, colour: colourOfChange, about: func(n *node, whole float64) string {
		return fmt.Sprintf("A %s, B %s: %s %s", number(n.values[0]), number(n.values[1]), signed(n.values[1]-n.values[0]), unit)
	}}
	whole := d.root.values
	d.head = []string{title, fmt.Sprintf("%s. A: %s, %s. B: %s, %s (%s)", upper(a.Kind), nameA, amount(whole[0], unit), nameB, amount(whole[1], unit), change(whole[0], whole[1]))}
	for i, p := range []profile.Profile{a, b} {
		if len(p.Notes) > 0 {
			d.head = append(d.head, "AB"[i:i+1]+": "+strings.Join(p.Notes, "; "))
		}
	}
	d.legend = []swatch{{less, "B spends less than A"}, {same, "the same"}, {more, "more"}}
	return d.write(w)
}

// what says what a profile is of.
func what(p profile.Profile) string {
	_, unit := p.Scale()
	text := fmt.Sprintf("%s: %s in all", upper(p.Kind), amount(newTree(p).values[0], unit))
	if p.Kind == profile.OnCPU && p.Period > 0 {
		text += fmt.Sprintf(", %.0f samples, one each %s %s", p.Total()/p.Period, number(p.Period), p.Unit)
	}
	return text
}

// A picture is a tree that is drawn.
type picture struct {
	root   *node
	unit   string
	head   []string // lines above the graph: the title, what it is of, notes
	legend []swatch
	colour func(n *node) string
	about  func(n *node, whole float64) string // the second line of a frame's title

	out  *bufio.Writer
	base float64 // y of the lowest row
	all  float64 // width of the whole, in units of the tree
	thin float64 // width of what is too thin to be drawn
}

// A swatch is a colour with its meaning.
type swatch struct{ colour, text string }

func (d *picture) write(w io.Writer) error {
	d.out, d.all = bufio.NewWriter(w), d.root.width
	least := leastWidth / (width - 2*margin) * d.all
	var lines []string
	for i, l := range d.head {
		if i > 0 && l != "" {
			lines = append(lines, wrap(l)...)
		}
	}
	top := 34 + lineStep*float64(len(lines)+1)
	rows := 0
	if d.all > 0 {
		rows = d.root.depth(least)
	}
	d.base = top + row*float64(rows)
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" viewBox="0 0 %[1]d %.0[2]f" font-family="monospace" font-size="11">`+"\n", width, d.base+margin+row)
	d.printf("<style>g.f{cursor:pointer}g.f:hover rect{stroke:#000}rect{stroke:#fff;stroke-width:.4}.b{cursor:pointer;fill:#06c}</style>\n")
	d.printf(`<rect width="100%%" height="100%%" fill="#fff"/>` + "\n")
	d.text(margin, 20, ` font-size="15" font-family="sans-serif"`, d.head[0])
	y := 38.
	for _, l := range lines {
		d.text(margin, y, ` fill="#444"`, l)
		y += lineStep
	}
	x := float64(margin)
	for _, s := range d.legend {
		d.printf(`<rect x="%.0f" y="%.0f" width="11" height="11" fill="%s"/>`, x, y-9, s.colour)
		d.text(x+15, y, "", s.text)
		x += 30 + charWidth*float64(utf8.RuneCountInString(s.text))
	}
	d.printf(`<text id="found" x="%d" y="%.0f" text-anchor="end"></text>`+"\n", width-190, y)
	d.printf(`<text id="reset" class="b" x="%d" y="%.0f" style="display:none">whole graph</text>`+"\n", width-160, y)
	d.printf(`<text id="search" class="b" x="%d" y="%.0f" style="display:none">search</text>`+"\n", width-60, y)
	if d.all > 0 {
		d.frame(d.root, margin, 0)
	} else {
		d.text(margin, d.base, "", "no time in any stack")
	}
	if d.thin > 0 {
		d.text(margin, d.base+row, ` fill="#444"`, fmt.Sprintf("%s of the whole is in frames too narrow to be drawn", percent(d.thin, d.all)))
	}
	d.printf("<script><![CDATA[\n%s]]></script>\n</svg>\n", script)
	return d.out.Flush()
}

// frame draws a frame whose left edge is at x, and what stands on it.
func (d *picture) frame(n *node, x float64, level int) {
	w := n.width / d.all * (width - 2*margin)
	y := d.base - row*float64(level+1)
	d.printf(`<g class="f"><title>%s`+"\n"+`%s</title><rect x="%.2f" y="%.0f" width="%.2f" height="%d" fill="%s"/>`,
		escape(n.name), escape(d.about(n, d.root.values[0])), x, y, w, row-1, d.colour(n))
	if text := fit(n.name, w); text != "" {
		d.text(x+3, y+12, "", text)
	}
	d.printf("</g>\n")
	for _, c := range n.children {
		cw := c.width / d.all * (width - 2*margin)
		if cw < leastWidth {
			d.thin += c.width
		} else {
			d.frame(c, x, level+1)
		}
		x += cw
	}
}

func (d *picture) printf(format string, args ...any) { fmt.Fprintf(d.out, format, args...) }

func (d *picture) text(x, y float64, attributes, text string) {
	d.printf(`<text x="%.1f" y="%.0f"%s>%s</text>`, x, y, attributes, escape(text))
}

// fit is as much of a name as a frame of a width has room for; "" if that would say nothing.
func fit(name string, w float64) string {
	n := int((w - 6) / charWidth)
	switch {
	case n < 3:
		return ""
	case utf8.RuneCountInString(name) <= n:
		return name
	}
	return string([]rune(name)[:n-1]) + "…"
}

// wrap cuts a text into lines.
func wrap(text string) (out []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > lineChars {
			out, line = append(out, line), "  "+word
			continue
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(out, line)
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder has no errors
	return b.String()
}
