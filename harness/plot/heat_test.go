// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"fmt"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record/synthetic"
)

// TestLargeHeatMap: a heat map of many rows fits a printed page, has the names of its columns above it too, says what its shades mean, and
// draws the rows that have more than the least value somewhere. A small one draws all.
func TestLargeHeatMap(t *testing.T) {
	for _, tt := range []struct {
		variants, drawn int
		says            string
	}{{80, 12, "not drawn: 68 rows with refused in each column"}, {20, 20, "darker: worse; white: no such program"}} {
		r := synthetic.Golden()
		r.Trials = nil
		r.Env.Plots = []harness.PlotSpec{{Name: "p", Kind: harness.PlotHeatmap, Workload: "pps", Unit: harness.UnitFate, X: "by"}}
		r.Env.Workloads[0].Metrics = append(r.Env.Workloads[0].Metrics, harness.MetricSpec{Unit: harness.UnitFate, Better: "neither"})
		for i := range tt.variants {
			for _, by := range []string{"bpf", "root"} {
				fate := harness.FateRefused
				if i < 12 && by == "root" {
					fate = harness.FateHarmless
				}
				r.Trials = append(r.Trials, harness.Trial{Cell: harness.Cell{Experiment: "lb", Workload: "pps", Class: "c", Variant: fmt.Sprint("v", i), Axes: []harness.AxisValue{{Name: "by", Value: by}}},
					Result: harness.Result{Metrics: []harness.Metric{{Unit: harness.UnitFate, Value: float64(fate)}}}})
			}
		}
		plots, remarks, err := Plots(r)
		if err != nil || len(plots) != 1 {
			t.Fatal(err, remarks)
		}
		svg := string(plots[0].SVG)
		if n := len(plots[0].Hits); n != 2*tt.drawn || plots[0].figure.height > 9*vg.Inch {
			t.Errorf("%d tiles, %v high, want %d tiles", n, plots[0].figure.height/vg.Inch, 2*tt.drawn)
		}
		if strings.Count(svg, ">bpf<") != 2 || !strings.Contains(svg, tt.says) || strings.Contains(svg, "neither is better") {
			t.Errorf("%d variants: the columns are named %d times; want %q", tt.variants, strings.Count(svg, ">bpf<"), tt.says)
		}
	}
}
