// SPDX-License-Identifier: Apache-2.0

package page

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/plot"
)

// uPlot (https://github.com/leeoniya/uPlot), which draws charts, with its licence. scripts/uplot fetches these files.
var (
	//go:embed uplot/uPlot.iife.min.js
	uplotScript string
	//go:embed uplot/uPlot.min.css
	uplotStyle string
	//go:embed uplot/LICENSE
	uplotLicence string
)

var (
	//go:embed chart.js
	chartScript string
	//go:embed chart.css
	chartStyle string
)

// ChartFile is the name of the file in which the pages of a site share ChartScript.
const ChartFile = "charts.js"

// ChartScript is the script that draws the charts of a page: uPlot with its licence, and the lab's own part.
func ChartScript() string {
	return "/*\nuPlot, https://github.com/leeoniya/uPlot\n\n" + strings.TrimSpace(uplotLicence) + "\n*/\n" + strings.TrimSpace(uplotScript) + "\n" + chartScript
}

// ChartStyle is the style of pages with charts, before Style.
func ChartStyle() template.CSS {
	return template.CSS(strings.TrimSpace(uplotStyle) + "\n" + chartStyle)
}

// ChartTag ends a page with charts: the script itself, or a reference to the file at that address, which is read after the page is painted.
func ChartTag(file string) template.HTML {
	if file == "" {
		return template.HTML("<script>\n" + ChartScript() + "</script>\n")
	}
	return template.HTML(`<script defer src="` + template.HTMLEscapeString(file) + `"></script>` + "\n")
}

// Charted reports whether a script draws one of the pictures.
func Charted(pictures []Picture) bool {
	return slices.ContainsFunc(pictures, func(p Picture) bool { return p.Chart != nil })
}

// inPage is a chart whose values lead to the parts of a page that hold the trials of their cells; nil without one.
func inPage(c *plot.Chart, trials map[string]string) *plot.Chart {
	if c == nil {
		return nil
	}
	own := *c
	own.Lines = harness.Map(c.Lines, func(l plot.ChartLine) plot.ChartLine {
		l.Cells = harness.Map(l.Cells, func(cell string) string { return trials[cell] })
		return l
	})
	return &own
}

// inData is a value as data for a page's script. JSON has no "<" that could end the element.
func inData(v any, class string) (template.HTML, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write chart: %w", err)
	}
	return template.HTML(`<script type="application/json" class="` + class + `">` + string(text) + `</script>`), nil
}
