// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"math"
	"strings"
	"testing"

	"gonum.org/v1/plot"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
)

// TestCoverLog: on a logarithmic axis of any length the first and the last label lie at or beyond the data, and by less than a decade.
func TestCoverLog(t *testing.T) {
	for _, tt := range []struct{ lo, hi, first, last float64 }{
		{1.2, 40, 1, 50}, {1, 50, 1, 50}, {0.3, 0.4, 0.2, 0.5}, {2.1, 9, 2, 10}, {1.2, 4000, 1, 10000}, {1, 1000, 1, 1000}, {3, 700, 1, 1000}, {7, 7, 5, 10}, {1, 1, 0.5, 2},
	} {
		a := plot.Axis{Min: tt.lo, Max: tt.hi}
		coverLog(&a)
		first, last := math.Inf(1), math.Inf(-1)
		for _, tick := range (logTicks{}).Ticks(a.Min, a.Max) {
			if tick.Label != "" {
				first, last = math.Min(first, tick.Value), math.Max(last, tick.Value)
			}
		}
		if math.Abs(first/tt.first-1) > 1e-6 || math.Abs(last/tt.last-1) > 1e-6 {
			t.Errorf("%g to %g: labels from %g to %g, want %g to %g", tt.lo, tt.hi, first, last, tt.first, tt.last)
		}
	}
	for _, a := range []plot.Axis{{Min: 0, Max: 1}, {Min: math.Inf(1), Max: math.Inf(-1)}, {Min: 1, Max: math.MaxFloat64}} {
		before := a
		if coverLog(&a); a.Min != before.Min || a.Max != before.Max {
			t.Errorf("%g to %g became %g to %g", before.Min, before.Max, a.Min, a.Max)
		}
	}
}

// TestBetterCorner: a scatter plot says which way each of its axes is better.
func TestBetterCorner(t *testing.T) {
	r := synthetic.Golden()
	for _, tt := range []struct{ workload, unit, against, want string }{
		{"pps", "pkt/s", "cpu-ns/pkt", "better: up (packets/s) and left (CPU time per packet)"},
		{"pps", "cpu-ns/pkt", "pkt/s", "better: down (CPU time per packet) and right (packets/s)"},
		{"pps", "pkt/s", "unknown", "better: up (packets/s)"},
		{"pps", "unknown", "unknown", "neither axis is better one way"},
	} {
		if got := betterCorner(&r.Env, harness.PlotSpec{Workload: tt.workload, Unit: tt.unit, Against: tt.against}); got != tt.want {
			t.Errorf("%s against %s: %q, want %q", tt.unit, tt.against, got, tt.want)
		}
	}
}

// TestSinglePoint: a variant that was measured at the last value of the axis alone is a point with its name; one at another value is named as left
// out.
func TestSinglePoint(t *testing.T) {
	r := &record.Run{Env: record.Env{Experiment: "e", Workloads: []harness.WorkloadSpec{{Name: "w", Metrics: []harness.MetricSpec{{Unit: "sec", Better: "lower"}}}}}}
	for variant, values := range map[string][]string{"both": {"1", "10"}, "atfirst": {"1"}, "atlast": {"10"}} {
		r.Env.Variants = append(r.Env.Variants, harness.Variant{Name: variant, Class: "c"})
		for _, x := range values {
			r.Trials = append(r.Trials, harness.Trial{
				Cell:   harness.Cell{Experiment: "e", Workload: "w", Class: "c", Variant: variant, Axes: []harness.AxisValue{{Name: "x", Value: x}}},
				Result: harness.Result{Metrics: []harness.Metric{{Unit: "sec", Value: 1}}},
			})
		}
	}
	r.Env.Plots = []harness.PlotSpec{{Name: "p", Workload: "w", Unit: "sec", X: "x", LogX: true, LogY: true}}
	plots, _, err := Plots(r)
	if err != nil || len(plots) != 1 {
		t.Fatal(len(plots), err)
	}
	text := string(plots[0].SVG)
	if !strings.Contains(text, ">atlast<") || strings.Contains(text, ">atfirst<") || !strings.Contains(text, "not drawn: atfirst<") {
		t.Error(text)
	}
}
