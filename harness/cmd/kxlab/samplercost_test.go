// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
)

// TestSamplerCosts: a trial with the sampler is held against the median of those measured of its cell, by instructions if there are any.
func TestSamplerCosts(t *testing.T) {
	cell := func(variant string) harness.Cell {
		return harness.Cell{Experiment: "lb", Workload: "pps", Class: "nat", Variant: variant}
	}
	metrics := func(rate, insn float64) (out []harness.Metric) {
		out = append(out, harness.Metric{Unit: "pkt/s", Value: rate})
		if insn > 0 {
			out = append(out, harness.Metric{Unit: "insn/pkt", Value: insn})
		}
		return out
	}
	var run record.Run
	for _, m := range []struct {
		variant string
		rate    float64
		insn    float64
	}{{"a", 100, 1000}, {"a", 300, 1000}, {"a", 200, 1010}, {"b", 100, 0}, {"c", 0, 0}, {"d", 50, 500}} {
		run.Trials = append(run.Trials, harness.Trial{Cell: cell(m.variant), Result: harness.Result{Metrics: metrics(m.rate, m.insn)}})
	}
	s := samplerCosts{measured: &run}
	if text := s.String(); text != "" {
		t.Errorf("before all trials: %q", text)
	}
	for _, tt := range []struct {
		variant string
		with    []harness.Metric
		want    string
	}{
		{"a", metrics(150, 1250), "what the sampler adds: this trial had 1250 insn/pkt, the median of those measured without it is 1000 (+25.0 %)"},
		{"b", metrics(80, 90), "what the sampler adds: this trial had 80.0 pkt/s, the median of those measured without it is 100 (-20.0 %)"},
		{"c", metrics(80, 0), ""},
		{"none", metrics(80, 0), ""},
		{"d", metrics(50, 550), "what the sampler adds: this trial had 550 insn/pkt, the median of those measured without it is 500 (+10.0 %)"},
	} {
		a := runner.CountedTrial{Cell: cell(tt.variant).BenchName(), Result: harness.Result{Metrics: tt.with}}
		if got := s.add(a); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.variant, got, tt.want)
		}
	}
	want := "what the sampler adds, against the trials measured without it: insn/pkt +17.5 % (median of 2 cells, +10.0 % to +25.0 %), pkt/s -20.0 %"
	for target, want := range map[string]string{harness.TargetExact: want, harness.TargetHost: want + ", the machine's noise among it"} {
		if run.Env.Target = target; s.String() != want {
			t.Errorf("%s: %q, want %q", target, s.String(), want)
		}
	}
}
