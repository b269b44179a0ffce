// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// lawRun is a run with one cell a variant: mean windows at 1 % loss, where the law predicts 12.25.
func lawRun(windows map[string]float64) *record.Run {
	r := &record.Run{Env: record.Env{Experiment: "cc", Variants: []harness.Variant{{Name: "reno"}, {Name: "mild", Control: true}}}}
	for v, w := range windows {
		r.Trials = append(r.Trials, harness.Trial{
			Cell:   harness.Cell{Experiment: "cc", Workload: "random-loss", Class: "cc", Variant: v, Axes: []harness.AxisValue{{Name: "loss", Value: "1"}}},
			Result: harness.Result{Metrics: []harness.Metric{{Unit: "wnd-pkt", Value: w}, {Unit: "sec", Value: 0.01}}},
		})
	}
	return r
}

func renoLaw() harness.Law {
	return harness.Law{
		Name: "window", Workload: "random-loss", Where: []harness.AxisValue{{Name: "loss", Value: "1"}}, Unit: "wnd-pkt",
		Variants: []string{"reno"}, Formula: "aimd-window", Tolerance: 0.15,
		Params: []harness.LawParam{{Name: "alpha", Value: 1}, {Name: "beta", Value: 0.5}, {Name: "loss", Axis: "loss", Scale: 0.01}},
	}
}

func TestLaws(t *testing.T) {
	for _, tt := range []struct {
		name    string
		variant string
		window  float64
		change  func(*harness.Law)
		want    string
		why     string
	}{
		{name: "as predicted", variant: "reno", window: 13.2, want: Passed},
		{name: "too large", variant: "reno", window: 14.4, want: Failed, why: "tolerance ±15"},
		{name: "too small", variant: "reno", window: 10, want: Failed},
		{name: "small is good", variant: "reno", window: 10, change: func(l *harness.Law) { l.Side = harness.LawMost }, want: Passed},
		{name: "large is good", variant: "reno", window: 20, change: func(l *harness.Law) { l.Side = harness.LawLeast }, want: Passed},
		{name: "a little large is as predicted", variant: "reno", window: 13.2, change: func(l *harness.Law) { l.Side = harness.LawMost }, want: Passed},
		{name: "a little small is as predicted", variant: "reno", window: 11.5, change: func(l *harness.Law) { l.Side = harness.LawLeast }, want: Passed},
		{name: "small is bad", variant: "reno", window: 10, change: func(l *harness.Law) { l.Side = harness.LawLeast }, want: Failed},
		{name: "large is bad", variant: "reno", window: 20, change: func(l *harness.Law) { l.Side = harness.LawMost }, want: Failed},
		{name: "control that breaks it", variant: "mild", window: 16.8, want: Passed},
		{name: "control that keeps it", variant: "mild", window: 12, want: Failed, why: "cannot be trusted"},
		{name: "not measured", variant: "cubic", want: NotMeasured, why: "did not measure"},
		{name: "a parameter of the same cell", variant: "reno", window: 12, change: func(l *harness.Law) {
			l.Params[2] = harness.LawParam{Name: "loss", Unit: "sec"}
		}, want: Passed},
		{name: "no such axis", variant: "reno", window: 12, change: func(l *harness.Law) {
			l.Params[2] = harness.LawParam{Name: "loss", Axis: "rtt"}
		}, want: Failed, why: "axis rtt"},
	} {
		l := renoLaw()
		if tt.change != nil {
			tt.change(&l)
		}
		l.Variants = []string{tt.variant}
		windows := map[string]float64{}
		if tt.window > 0 {
			windows[tt.variant] = tt.window
		}
		r := lawRun(windows)
		r.Env.Laws = []harness.Law{l}
		got := Analyze(r).Laws
		if len(got) != 1 || got[0].Outcome != tt.want || !strings.Contains(got[0].Why, tt.why) {
			t.Errorf("%s: %+v, want %s", tt.name, got, tt.want)
		}
		if failed := FailedLaws(got); (len(failed) > 0) != (tt.want == Failed) {
			t.Errorf("%s: broken: %v", tt.name, failed)
		}
	}
}
