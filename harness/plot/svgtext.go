// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strconv"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

var (
	svgText = regexp.MustCompile(`(?s)<text ([^>]*?font-weight:(\w+);[^>]*?font-size:([0-9.]+)px[^>]*)>([^<]*)</text>`)
	svgFont = regexp.MustCompile(`font-family:[^;"]*`)
)

// fixText makes the text of a figure look alike in every browser: it adds fonts to the one of the layout, which a machine may
// lack, and the length of each text, so that a wider font does not overlap.
func fixText(svg []byte) []byte {
	svg = svgText.ReplaceAllFunc(svg, func(element []byte) []byte {
		m := svgText.FindSubmatch(element)
		size, err := strconv.ParseFloat(string(m[3]), 64)
		if err != nil || len(m[4]) == 0 {
			return element
		}
		f := sans(vg.Length(size), string(m[2]) == "bold")
		face := font.DefaultCache.Lookup(f, f.Size)
		width := face.Width(html.UnescapeString(string(m[4])))
		return fmt.Appendf(nil, "<text textLength=\"%.2f\" lengthAdjust=\"spacingAndGlyphs\" %s>%s</text>", float64(width), m[1], m[4])
	})
	svg = svgFont.ReplaceAll(svg, []byte("font-family:Liberation Sans,Arimo,Arial,Helvetica,sans-serif"))
	return bytes.ReplaceAll(svg, []byte("font-variant:Sans;"), nil)
}
