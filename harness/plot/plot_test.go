// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// TestNothingToShow: zeros on a logarithmic axis leave a plot out, or a variant of it, with a remark; they are no error.
func TestNothingToShow(t *testing.T) {
	run := func(good float64) *record.Run {
		r := &record.Run{Env: record.Env{Experiment: "e", Variants: []harness.Variant{{Name: "zero", Class: "c"}, {Name: "good", Class: "c"}},
			Workloads: []harness.WorkloadSpec{{Name: "w", Metrics: []harness.MetricSpec{{Unit: "sec", Better: "lower"}}}}}}
		for _, v := range []string{"zero", "good"} {
			for _, x := range []string{"1", "10"} {
				value := map[string]float64{"good": good}[v]
				r.Trials = append(r.Trials, harness.Trial{
					Cell: harness.Cell{Experiment: "e", Workload: "w", Class: "c", Variant: v, Axes: []harness.AxisValue{{Name: "x", Value: x}}},
					Result: harness.Result{Metrics: []harness.Metric{{Unit: "sec", Value: value}},
						Series: []harness.Series{{Name: "s", X: []float64{1, 2}, Y: []float64{value, value}}, {Name: "d", X: []float64{value, value}, Y: []float64{0.5, 1}}}}})
			}
		}
		first := []harness.AxisValue{{Name: "x", Value: "1"}}
		r.Env.Plots = []harness.PlotSpec{
			{Name: "lines", Workload: "w", Unit: "sec", X: "x", LogX: true, LogY: true},
			{Name: "series", Workload: "w", Unit: "sec", Kind: harness.PlotSeries, Series: "s", LogY: true, Where: first},
			{Name: "cdf", Workload: "w", Unit: "sec", Kind: harness.PlotCDF, Series: "d", LogX: true, Where: first},
			{Name: "scatter", Workload: "w", Unit: "sec", Against: "sec", Kind: harness.PlotScatter, LogX: true, LogY: true, Where: first},
			{Name: "bars", Workload: "w", Unit: "sec", LogY: true, Where: first},
		}
		return r
	}
	plots, remarks, err := Plots(run(0))
	if err != nil || len(plots) != 0 || len(remarks) != 5 {
		t.Errorf("only zeros: %d plots, remarks %q, %v", len(plots), remarks, err)
	}
	plots, remarks, err = Plots(run(1))
	if err != nil || len(plots) != 5 {
		t.Errorf("zeros beside others: %d plots, remarks %q, %v", len(plots), remarks, err)
	}
	for _, p := range plots {
		if !strings.Contains(string(p.SVG), "good") {
			t.Errorf("plot %s leaves out what it could show", p.Name)
		}
	}
}
