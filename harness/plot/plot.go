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
	"sync"

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
	SVG         []byte
	Hits        []Hit  // of a plot without a chart
	Chart       *Chart // nil if a page has nothing to add to the drawing but Hits
	figure      *figure
}

// A bar is one variant of a bar chart.
type bar struct {
	sample *record.Sample
	stats.Summary
}

type point struct {
	x      float64
	sample *record.Sample
	stats.Summary
}

type line struct {
	variant string
	points  []point
}

// Plots draws what the run's experiment declares, in its order. A plot for which nothing was measured is left out, with a remark.
func Plots(r *record.Run) (plots []Plot, remarks []string, err error) {
	samples := r.Samples()
	drawn := make([]Plot, len(r.Env.Plots))
	errs := make([]error, len(r.Env.Plots))
	var all sync.WaitGroup
	for i, spec := range r.Env.Plots {
		all.Go(func() { drawn[i], errs[i] = newPlot(r, spec, samples, wide) })
	}
	all.Wait()
	for i, spec := range r.Env.Plots {
		nothing := noPlot("")
		switch {
		case errors.As(errs[i], &nothing):
			remarks = append(remarks, fmt.Sprintf("plot %s: %s", cmp.Or(spec.Title, spec.Name), nothing))
		case errs[i] != nil:
			return plots, remarks, fmt.Errorf("draw plot %s: %w", spec.Name, errs[i])
		default:
			plots = append(plots, drawn[i])
		}
	}
	return plots, remarks, nil
}

// Narrow draws a plot of a run for pages as narrow as a telephone.
func Narrow(r *record.Run, p Plot) (Plot, error) {
	spec, _ := harness.Find(r.Env.Plots, func(s harness.PlotSpec) bool { return s.Name == p.Name })
	return newPlot(r, spec, r.Samples(), narrow)
}

func newPlot(r *record.Run, spec harness.PlotSpec, samples []*record.Sample, l layout) (Plot, error) {
	chosen := Choose(samples, spec)
	if len(chosen) == 0 {
		return Plot{}, noPlot("nothing of it was measured")
	}
	zero := func(s *record.Sample) bool {
		return !slices.ContainsFunc(s.Values, func(v float64) bool { return v != 0 })
	}
	if spec.Series == "" && !slices.ContainsFunc(chosen, func(s *record.Sample) bool { return !zero(s) }) {
		return Plot{}, noPlot(fmt.Sprintf("%s is 0 in all trials of %s", spec.Unit, harness.Plural(len(chosen), "cell")))
	}
	chosen, left := legible(chosen, spec)
	f, err := newFigure(r, spec, chosen, l)
	if err != nil {
		return Plot{}, err
	}
	if len(left) > 0 {
		f.subtitle += "\nleft out, as the plot could not be read: " + strings.Join(left, ", ")
	}
	more := len(f.header()) - 2 - strings.Count(f.subtitle, "\n")
	f.height += vg.Points(11 * float64(more)) // lines that had to be broken do not take the plot's room
	f.finish()
	p := Plot{Name: spec.Name, Title: spec.Title, Chart: f.chart, figure: f}
	p.SVG, p.Hits, err = f.svg()
	return p, err
}

// Write writes each plot as SVG and PNG into the folder dir of root, which is made if need be.
func Write(plots []Plot, root *os.Root, dir string) error {
	if err := root.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write plots: %w", err)
	}
	folder, err := root.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("write plots: %w", err)
	}
	defer folder.Close()
	errs := make([]error, len(plots))
	var all sync.WaitGroup
	for i, p := range plots {
		all.Go(func() {
			png, err := p.PNG()
			errs[i] = cmp.Or(err, record.WriteFile(folder, p.Name+".svg", p.SVG))
			if errs[i] == nil {
				errs[i] = record.WriteFile(folder, p.Name+".png", png)
			}
		})
	}
	all.Wait()
	return harness.Wrap(harness.FirstLine(errors.Join(errs...)), "write plots")
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
		out = append(out, bar{s, stats.Summarize(s.Values)})
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
			l.points = append(l.points, point{x, s, stats.Summarize(s.Values)})
		}
		slices.SortFunc(l.points, func(a, b point) int { return cmp.Compare(a.x, b.x) })
		out = append(out, l)
	}
	return out, nil
}

// svg draws the figure. Its text names common sans-serif fonts, so that it shows on any machine.
func (f *figure) svg() ([]byte, []Hit, error) {
	var b bytes.Buffer
	sc := vgsvg.New(f.width, f.height)
	hits := f.draw(draw.New(sc))
	if _, err := sc.WriteTo(&b); err != nil {
		return nil, nil, err
	}
	return fixText(b.Bytes()), hits, nil
}

// PNG draws the plot as a bitmap, 144 dots an inch.
func (p Plot) PNG() ([]byte, error) {
	f := p.figure
	ic := vgimg.NewWith(vgimg.UseWH(f.width, f.height), vgimg.UseDPI(144))
	f.draw(draw.New(ic))
	var b bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: ic}).WriteTo(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// finite reports whether an axis can show the value.
func finite(log bool, v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!log || v > 0)
}

var (
	svgText = regexp.MustCompile(`(?s)<text ([^>]*?font-weight:(\w+);[^>]*?font-size:([0-9.]+)px[^>]*)>([^<]*)</text>`)
	svgFont = regexp.MustCompile(`font-family:[^;"]*;?`)
	// svgPlain is what a style says that is so anyway.
	svgPlain = regexp.MustCompile(`font-variant:\w+;|font-weight:normal;|font-style:normal;`)
	svgHead  = regexp.MustCompile(`<svg `)
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
	svg = svgFont.ReplaceAll(svg, nil)
	svg = svgPlain.ReplaceAll(svg, nil)
	return svgHead.ReplaceAll(svg, []byte(`<svg font-family="Liberation Sans,Arimo,Arial,Helvetica,sans-serif" `))
}
