// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"math"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// The figures are worked by hand: t(0.95, 4) = 2.132.
func TestTOST(t *testing.T) {
	for _, tt := range []struct {
		name  string
		d     []float64
		width float64
		want  string
	}{
		{"the same to the last digit", []float64{0, 0, 0}, 0.03, equivalent},
		{"other to the last digit", []float64{0.1, 0.1, 0.1}, 0.03, notEquivalent},
		{"close", []float64{0.01, -0.01, 0.005, -0.005, 0}, 0.03, equivalent},
		{"far", []float64{0.11, 0.09, 0.105, 0.095, 0.1}, 0.03, notEquivalent},
		{"too noisy", []float64{0.1, -0.1, 0.05, -0.05, 0}, 0.03, undecided},
		{"too few", []float64{0}, 0.03, undecided},
	} {
		if got := tost(tt.d, tt.width); got.Verdict != tt.want {
			t.Errorf("%s: %+v, want %s", tt.name, got, tt.want)
		}
	}
	// mean 0, sd 0.0079057, se 0.0035355, t = 0.03/0.0035355 = 8.485 with 4 degrees of freedom: p = 0.000530
	if got := tost([]float64{0.01, -0.01, 0.005, -0.005, 0}, 0.03).P; math.Abs(got-0.00053) > 2e-5 {
		t.Errorf("p = %v, want 0.00053", got)
	}
}

// One against one is a test, not a look at a mean: t(0.95, 4) = 2.132.
func TestAtLeast(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []float64
		want   string
	}{
		{"above", []float64{0.98, 0.99, 0.985, 0.975, 0.98}, equivalent},
		{"the mean alone is above", []float64{0.999, 0.999, 0.999, 0.78, 0.999}, undecided},
		{"the mean alone is below", []float64{0.97, 0.97, 0.97, 0.85, 0.97}, undecided},
		{"below", []float64{0.9, 0.89, 0.91, 0.9, 0.9}, notEquivalent},
		{"the same", []float64{1, 1}, equivalent},
		{"one", []float64{1}, undecided},
	} {
		if mean, p, got := atLeast(tt.values, 0.95); got != tt.want {
			t.Errorf("%s: mean %.3f, p %.3f: %s, want %s", tt.name, mean, p, got, tt.want)
		}
	}
}

// A share of 0.1 % and one of 0.5 % are not the same, while 10 and 11 % are, and so are two of next to nothing.
func TestRetransMargin(t *testing.T) {
	for _, tt := range []struct {
		original, port float64
		want           string
	}{
		{0.001, 0.005, notEquivalent}, {0.01, 0.013, notEquivalent}, {0.1, 0.11, equivalent}, {0, 0.0005, equivalent}, {0.001, 0.001, equivalent},
	} {
		r := ccRun()
		for i := range r.Trials {
			for k, m := range r.Trials[i].Result.Metrics {
				if m.Unit == "retrans-share" {
					r.Trials[i].Result.Metrics[k].Value = tt.original
					if r.Trials[i].Cell.Variant == "port" {
						r.Trials[i].Result.Metrics[k].Value = tt.port
					}
				}
			}
		}
		for _, e := range Analyze(r).Equivalences {
			if e.Variant == "port" && e.Verdict != tt.want {
				t.Errorf("%v against %v: %s (%s), want %s", tt.port, tt.original, e.Verdict, e.Why, tt.want)
			}
		}
	}
}

// ccRun is a run in which a port is 1 % off its original and a control 20 %.
func ccRun() *record.Run {
	r := &record.Run{Env: record.Env{
		Experiment: "cc",
		Variants: []harness.Variant{
			{Name: "cubic", Class: "cc"}, {Name: "port", Class: "cc", Original: "cubic"},
			{Name: "wrong", Class: "cc", Original: "cubic", Control: true},
		},
	}}
	for i := range 5 {
		for name, factor := range map[string]float64{"cubic": 1, "cubic+aa": 1, "port": 1.01, "wrong": 0.8} {
			v := (1 + 0.1*float64(i)) * factor * (1 + 0.001*float64(i%2))
			r.Trials = append(r.Trials, harness.Trial{Repeat: i, Cell: harness.Cell{Experiment: "cc", Workload: "equivalence", Class: "cc", Variant: name},
				Result: harness.Result{Metrics: []harness.Metric{{Unit: "bit/s", Value: v}, {Unit: "p50-rtt-sec", Value: 0.02},
					{Unit: "p95-rtt-sec", Value: 0.03}, {Unit: "retrans-share", Value: 0.01}, {Unit: "versus-jain-share", Value: 0.99}}}})
		}
	}
	return r
}

func TestEquivalences(t *testing.T) {
	want := map[string]string{"cubic+aa": equivalent, "port": equivalent, "wrong": notEquivalent}
	got := Analyze(ccRun()).Equivalences
	if len(got) != len(want) {
		t.Errorf("%d verdicts, want %d", len(got), len(want))
	}
	for _, e := range got {
		if e.Verdict != want[e.Variant] {
			t.Errorf("%s: %s (%s), want %s", e.Variant, e.Verdict, e.Why, want[e.Variant])
		}
	}
}

// TestEquivalenceMargins: a share of 0.5 % resent is not that of 0.1 %, and one trial against the original is no test.
func TestEquivalenceMargins(t *testing.T) {
	for _, tt := range []struct {
		name   string
		trials int
		change func(*harness.Metric)
		want   string
		why    string
	}{
		{"0.5 % resent against 0.1 %", 5, func(m *harness.Metric) {
			if m.Unit == "retrans-share" {
				m.Value = 0.005
			}
		}, notEquivalent, "retrans-share"},
		{"one trial", 1, func(*harness.Metric) {}, undecided, "(at least 95.0 %), one trial"},
		{"unfair on average", 5, func(m *harness.Metric) {
			if m.Unit == "versus-jain-share" {
				m.Value *= 0.9
			}
		}, notEquivalent, "one against one"},
	} {
		r := ccRun()
		var trials []harness.Trial
		for _, trial := range r.Trials {
			if trial.Repeat >= tt.trials {
				continue
			}
			for i := range trial.Result.Metrics {
				m := &trial.Result.Metrics[i]
				if m.Unit == "retrans-share" {
					m.Value = 0.001 * (1 + 0.01*float64(trial.Repeat))
				}
				if m.Unit == "versus-jain-share" {
					m.Value -= 0.001 * float64(trial.Repeat)
				}
				if trial.Cell.Variant == "port" {
					tt.change(m)
				}
			}
			trials = append(trials, trial)
		}
		r.Trials = trials
		for _, e := range Analyze(r).Equivalences {
			if e.Variant == "port" && (e.Verdict != tt.want || !strings.Contains(e.Why, tt.why)) {
				t.Errorf("%s: %s (%s)", tt.name, e.Verdict, e.Why)
			}
		}
	}
}

func TestScores(t *testing.T) {
	a := Analyze(ccRun())
	bound := func(v float64) *float64 { return &v }
	base := harness.Score{Workload: "equivalence", Unit: "bit/s", Variant: "port"}
	for _, tt := range []struct {
		name   string
		change func(*harness.Score)
		want   string
	}{
		{"least met", func(s *harness.Score) { s.Least = bound(1.1) }, Passed},
		{"least missed", func(s *harness.Score) { s.Least = bound(1.3) }, Failed},
		{"most missed", func(s *harness.Score) { s.Most = bound(1) }, Failed},
		{"quotient", func(s *harness.Score) { s.Over, s.Least, s.Most = "wrong", bound(1.25), bound(1.27) }, Passed},
		{"nobody measured it", func(s *harness.Score) { s.Variant, s.Least = "bbr", bound(0) }, NotMeasured},
	} {
		s := base
		tt.change(&s)
		if got := a.score(s); got.Outcome != tt.want {
			t.Errorf("%s: %+v, want %s", tt.name, got, tt.want)
		}
	}
}
