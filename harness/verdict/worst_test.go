// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// TestWorst: one worse fate contradicts a claim, and a cell without a number keeps it from being shown.
func TestWorst(t *testing.T) {
	claim := harness.Claim{ID: "c", Worst: "leak", Numerator: harness.CellSelector{Workload: "fault", Where: []harness.AxisValue{{Name: "by", Value: "root"}}}}
	cell := func(variant, by string) harness.Cell {
		return harness.Cell{Experiment: "x", Workload: "fault", Class: "c", Variant: variant, Axes: []harness.AxisValue{{Name: "by", Value: by}}}
	}
	for _, c := range []struct {
		name    string
		fates   map[string]harness.Fate // by root
		failed  string
		found   string // its fate
		verdict string
		why     string
	}{
		{"none is worse", map[string]harness.Fate{"a": harness.FateRefused, "b": harness.FateLeak}, "", "", Shown, "the worst is leak, of 2 faults"},
		{"one hangs", map[string]harness.Fate{"a": harness.FateRefused, "b": harness.FateHang}, "", "", Contradicted, "hang: b"},
		{"one hangs, one failed", map[string]harness.Fate{"a": harness.FateHang}, "b", "", Contradicted, "hang: a"},
		{"one failed", map[string]harness.Fate{"a": harness.FateRefused}, "b", "", NotShown, "1 have no fate"},
		{"a failed one hangs", map[string]harness.Fate{"a": harness.FateRefused}, "b", "hang", Contradicted, "hang: b; of 2 faults"},
		{"a failed one does no harm", map[string]harness.Fate{"a": harness.FateRefused}, "b", "harmless", Shown, "the worst is harmless, of 2 faults"},
		{"nothing", nil, "", "", CannotTest, "no fate"},
	} {
		a := &Analysis{Run: &record.Run{Env: record.Env{Experiment: "x", Baseline: "sound"}}}
		for v, fate := range c.fates {
			a.Samples = append(a.Samples, &record.Sample{Cell: cell(v, "root"), Unit: harness.UnitFate, Values: []float64{float64(fate)}})
		}
		a.Samples = append(a.Samples, &record.Sample{Cell: cell("sound", "root"), Unit: harness.UnitFate, Values: []float64{float64(harness.FateHarmless)}}) // no fault
		a.Samples = append(a.Samples, &record.Sample{Cell: cell("m", "module"), Unit: harness.UnitFate, Values: []float64{float64(harness.FateOops)}})
		if c.failed != "" {
			a.Run.Env.Outcomes = []record.CellOutcome{{Cell: cell(c.failed, "root").BenchName(), Outcome: harness.OutcomeFailed, Fate: c.found}}
		}
		f := a.Evaluate(claim)
		if f.Verdict != c.verdict || !strings.Contains(f.Why, c.why) {
			t.Errorf("%s: %s, %s; want %s, %s", c.name, f.Verdict, f.Why, c.verdict, c.why)
		}
	}
}

// TestCompareFates: a fate of one trial against one is the same or differs, harm that was none is worse, and no quotient of fates is formed.
func TestCompareFates(t *testing.T) {
	cell := harness.Cell{Experiment: "x", Workload: "fault", Class: "c", Variant: "a"}
	of := func(target string, fates ...harness.Fate) *record.Run {
		r := &record.Run{Env: record.Env{Complete: true, Experiment: "x", Target: target}}
		for i, f := range fates {
			r.Trials = append(r.Trials, harness.Trial{Cell: cell, Repeat: i, Result: harness.Result{Metrics: []harness.Metric{{Unit: harness.UnitFate, Value: float64(f)}}}})
		}
		return r
	}
	for _, target := range []string{harness.TargetExact, harness.TargetVM} {
		for _, c := range []struct {
			old, new []harness.Fate
			want     string
			gate     bool
		}{
			{[]harness.Fate{harness.FateRefused}, []harness.Fate{harness.FateRefused}, same, false},
			{[]harness.Fate{harness.FateHang}, []harness.Fate{harness.FateHang, harness.FateHang}, same, false},
			{[]harness.Fate{harness.FateRefused}, []harness.Fate{harness.FateHarmless}, Differs, false},
			{[]harness.Fate{harness.FateLeak}, []harness.Fate{harness.FateHang}, Differs, false},
			{[]harness.Fate{harness.FateRefused}, []harness.Fate{harness.FateHarmless, harness.FateOops}, Worse, true},
			{[]harness.Fate{harness.FateHang}, []harness.Fate{harness.FateRefused}, Better, false},
		} {
			cmp, err := Compare(of(target, c.old...), of(target, c.new...), CompareOptions{})
			if err != nil {
				t.Fatal(err)
			}
			r := cmp.Rows[0]
			if len(cmp.Rows) != 1 || r.Verdict != c.want || cmp.Gate() != c.gate || cmp.Blind() || r.Delta != 0 || r.Note != "" || r.OldFate != c.old[0].String() {
				t.Errorf("%s, %v against %v: %+v, gate %v, want %s, %v", target, c.new, c.old, r, cmp.Gate(), c.want, c.gate)
			}
		}
	}
}

// TestFatesHaveNoNoise: two fates of an A/A pair are words as well.
func TestFatesHaveNoNoise(t *testing.T) {
	r := &record.Run{Env: record.Env{Complete: true, Experiment: "x", Target: harness.TargetVM}}
	for _, v := range []string{"sound", "sound" + harness.SuffixAA} {
		r.Trials = append(r.Trials, harness.Trial{Cell: harness.Cell{Experiment: "x", Workload: "fault", Class: "c", Variant: v},
			Result: harness.Result{Metrics: []harness.Metric{{Unit: harness.UnitFate, Value: float64(harness.FateHarmless)}}}})
	}
	if n := Analyze(r).Noise; len(n) != 0 {
		t.Errorf("noise %v", n)
	}
}
