// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"html"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
)

// A Plot is a drawn plot. Drawing is repeatable: the same run gives the same bytes.
type Plot struct {
	Name, Title string
	SVG, PNG    []byte
}

// A bar is one variant of a bar chart.
type bar struct {
	variant string
	stats.Summary
}

type point struct {
	x float64
	stats.Summary
}

type line struct {
	variant string
	points  []point
}

// Plots draws what the run's experiment declares. A plot for which nothing was measured is left out, with a remark.
func Plots(r *record.Run) (plots []Plot, remarks []string, err error) {
	samples := r.Samples()
	for _, spec := range r.Env.Plots {
		chosen := Choose(samples, spec)
		if len(chosen) == 0 {
			remarks = append(remarks, fmt.Sprintf("plot %s: nothing of it was measured", spec.Name))
			continue
		}
		f, err := newFigure(r, spec, chosen)
		if nothing := noPlot(""); errors.As(err, &nothing) {
			remarks = append(remarks, fmt.Sprintf("plot %s: %s", spec.Name, nothing))
			continue
		}
		p := Plot{Name: spec.Name, Title: spec.Title}
		if err == nil {
			p.SVG, p.PNG, err = f.render()
		}
		if err != nil {
			return plots, remarks, fmt.Errorf("draw plot %s: %w", spec.Name, err)
		}
		plots = append(plots, p)
	}
	return plots, remarks, nil
}

// WritePlots writes each plot as SVG and PNG into the folder dir of root, which is made if need be, and returns the remarks.
func WritePlots(r *record.Run, root *os.Root, dir string) ([]string, error) {
	plots, remarks, err := Plots(r)
	if err != nil {
		return remarks, err
	}
	if err := root.MkdirAll(dir, 0o755); err != nil {
		return remarks, fmt.Errorf("write plots: %w", err)
	}
	folder, err := root.OpenRoot(dir)
	if err != nil {
		return remarks, fmt.Errorf("write plots: %w", err)
	}
	defer folder.Close()
	for _, p := range plots {
		for end, data := range map[string][]byte{".svg": p.SVG, ".png": p.PNG} {
			if err := record.WriteFile(folder, p.Name+end, data); err != nil {
				return remarks, fmt.Errorf("write plots: %w", err)
			}
		}
	}
	return remarks, nil
}

// Choose picks a plot's samples among those of its run, without the second of the A/A pair.
func Choose(samples []*record.Sample, spec harness.PlotSpec) []*record.Sample {
	return harness.Filter(samples, func(s *record.Sample) bool {
		c := s.Cell
		_, notNumber := strconv.ParseFloat(c.Axis(spec.X), 64)
		// Runs with an older definition may lack an axis: then its value does not matter.
		elsewhere := func(w harness.AxisValue) bool { return c.Axis(w.Name) != w.Value && c.Axis(w.Name) != "" }
		return c.Workload == spec.Workload && s.Unit == spec.Unit && !strings.HasSuffix(c.Variant, harness.SuffixAA) &&
			(spec.Class == "" || c.Class == spec.Class || c.Class == harness.ClassCeiling) &&
			(len(spec.Only) == 0 || slices.Contains(spec.Only, c.Variant)) && !slices.ContainsFunc(spec.Where, elsewhere) &&
			(spec.X == "" || spec.Kind == harness.PlotHeatmap || notNumber == nil)
	})
}

func bars(chosen []*record.Sample, way int) ([]bar, error) {
	var out []bar
	seen := map[string]string{}
	for _, s := range chosen {
		if other, ok := seen[s.Cell.Variant]; ok {
			return nil, noPlot(fmt.Sprintf("both %s and %s are chosen: name an axis more", other, s.Cell.BenchName()))
		}
		seen[s.Cell.Variant] = s.Cell.BenchName()
		out = append(out, bar{s.Cell.Variant, stats.Summarize(s.Values)})
	}
	if way == 0 {
		way = 1
	}
	slices.SortStableFunc(out, func(a, b bar) int { return way * cmp.Compare(b.Median, a.Median) })
	return out, nil
}

func lines(chosen []*record.Sample, axis string) ([]line, error) {
	var out []line
	for _, same := range harness.GroupBy(chosen, func(s *record.Sample) string { return s.Cell.Variant }) {
		l := line{variant: same[0].Cell.Variant}
		for _, s := range same {
			x, _ := strconv.ParseFloat(s.Cell.Axis(axis), 64) // Choose leaves others out
			if slices.ContainsFunc(l.points, func(p point) bool { return p.x == x }) {
				return nil, noPlot(fmt.Sprintf("%s=%v of %s is chosen twice: name an axis more", axis, x, l.variant))
			}
			l.points = append(l.points, point{x, stats.Summarize(s.Values)})
		}
		slices.SortFunc(l.points, func(a, b point) int { return cmp.Compare(a.x, b.x) })
		out = append(out, l)
	}
	return out, nil
}

// render draws the figure twice. Text in the SVG names common sans-serif fonts, so that it shows on any machine.
func (f *figure) render() (svg, png []byte, err error) {
	var b bytes.Buffer
	sc := vgsvg.New(f.width, f.height)
	f.draw(draw.New(sc))
	if _, err := sc.WriteTo(&b); err != nil {
		return nil, nil, err
	}
	svg = fixText(b.Bytes())
	ic := vgimg.NewWith(vgimg.UseWH(f.width, f.height), vgimg.UseDPI(144))
	f.draw(draw.New(ic))
	var pb bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: ic}).WriteTo(&pb); err != nil {
		return nil, nil, err
	}
	return svg, pb.Bytes(), nil
}

// finite reports whether an axis can show the value.
func finite(log bool, v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!log || v > 0)
}

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
