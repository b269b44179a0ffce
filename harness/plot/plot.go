// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
)

// A Plot is a drawn plot. Drawing is repeatable: the same run gives the same bytes.
type Plot struct {
	Name  string
	Title string
	SVG   []byte
	PNG   []byte
}

// bar is one variant of a bar chart, point one of a line.
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
		if nothing := undrawn(""); errors.As(err, &nothing) {
			remarks = append(remarks, fmt.Sprintf("plot %s: %s", spec.Name, nothing))
			continue
		}
		if err != nil {
			return plots, remarks, fmt.Errorf("draw plot %s: %w", spec.Name, err)
		}
		p := Plot{Name: spec.Name, Title: spec.Title}
		if p.SVG, p.PNG, err = f.render(); err != nil {
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

// Choose picks a plot's samples among those of its run. The second of an A/A pair has its own section and would only hide its twin.
func Choose(samples []*record.Sample, spec harness.PlotSpec) []*record.Sample {
	var out []*record.Sample
	for _, s := range samples {
		c := s.Cell
		if c.Workload != spec.Workload || s.Unit != spec.Unit || strings.HasSuffix(c.Variant, harness.SuffixAA) {
			continue
		}
		if spec.Class != "" && c.Class != spec.Class && c.Class != harness.ClassCeiling {
			continue
		}
		fits := len(spec.Only) == 0 || slices.Contains(spec.Only, c.Variant)
		for _, w := range spec.Where {
			// An axis that the run's definition did not have yet cannot be asked for.
			fits = fits && (c.Axis(w.Name) == w.Value || c.Axis(w.Name) == "")
		}
		if spec.X != "" && spec.Kind != harness.PlotHeatmap {
			if _, err := strconv.ParseFloat(c.Axis(spec.X), 64); err != nil {
				fits = false
			}
		}
		if fits {
			out = append(out, s)
		}
	}
	return out
}

func bars(chosen []*record.Sample, way int) ([]bar, error) {
	var out []bar
	seen := map[string]string{}
	for _, s := range chosen {
		if other, ok := seen[s.Cell.Variant]; ok {
			return nil, undrawn(fmt.Sprintf("both %s and %s are chosen: name an axis more", other, s.Cell.BenchName()))
		}
		seen[s.Cell.Variant] = s.Cell.BenchName()
		out = append(out, bar{s.Cell.Variant, stats.Summarize(s.Values)})
	}
	sort.SliceStable(out, func(i, j int) bool {
		if way < 0 {
			return out[i].Median < out[j].Median
		}
		return out[i].Median > out[j].Median
	})
	return out, nil
}

func lines(chosen []*record.Sample, axis string) ([]line, error) {
	var out []line
	at := map[string]int{}
	for _, s := range chosen {
		i, ok := at[s.Cell.Variant]
		if !ok {
			i = len(out)
			at[s.Cell.Variant] = i
			out = append(out, line{variant: s.Cell.Variant})
		}
		x, _ := strconv.ParseFloat(s.Cell.Axis(axis), 64) // choose has looked
		for _, p := range out[i].points {
			if p.x == x {
				return nil, undrawn(fmt.Sprintf("%s=%v of %s is chosen twice: name an axis more", axis, x, s.Cell.Variant))
			}
		}
		out[i].points = append(out[i].points, point{x, stats.Summarize(s.Values)})
	}
	for _, l := range out {
		sort.Slice(l.points, func(i, j int) bool { return l.points[i].x < l.points[j].x })
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

// finite drops what a logarithmic axis cannot show.
func finite(log bool, v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!log || v > 0)
}
