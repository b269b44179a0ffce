// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
)

// TestAgainst: what is said of a variant held against the baseline, by trials, ways and sizes of the effect.
func TestAgainst(t *testing.T) {
	for _, tt := range []struct {
		what              string
		variant, workload string
		repeats           int
		slow              float64 // cost of the variant over the baseline's
		want              string
	}{
		{"faster, higher is better", "iptables-nft", "pps", 5, 0.5, Better},
		{"slower, higher is better", "iptables-nft", "pps", 5, 2, Worse},
		{"faster, lower is better", "nftables", "newflow", 5, 0.5, Better},
		{"slower, lower is better", "nftables", "newflow", 5, 2, Worse},
		{"equal", "nftables", "pps", 5, 1, same},
		{"below the least effect", "nftables", "pps", 5, 1.015, same},
		{"one trial", "nftables", "pps", 1, 2, OneTrial},
		{"four trials", "nftables", "pps", 4, 2, TooFew},
	} {
		t.Run(tt.what, func(t *testing.T) {
			cost := map[string]float64{"iptables-nft": 820, "nftables": 700}[tt.variant] / 660
			r := synthetic.Spec{Seed: 1, Repeats: tt.repeats, Noise: 0.002, Slow: map[string]float64{tt.variant: tt.slow / cost}}.Run()
			a := Analyze(r)
			s, _ := harness.Find(a.Samples, func(s *record.Sample) bool {
				growth := s.Cell.Axis("services") == "1" // at which rules cost next to nothing
				return s.Cell.Variant == tt.variant && s.Cell.Workload == tt.workload && growth && s.Cell.Axis("rate") != "200000"
			})
			v, ok := a.Against(s, "iptables")
			if !ok || v.Verdict != tt.want {
				t.Errorf("%t, %s (%+v), want %s", ok, v.Verdict, v.Effect, tt.want)
			}
		})
	}
	a := Analyze(synthetic.Golden())
	if _, ok := a.Against(a.Samples[0], "nobody"); ok {
		t.Error("a baseline that was not measured")
	}
	if got := a.BaselineOf(); got != "iptables" {
		t.Errorf("baseline %q, want the first", got)
	}
	a.Run.Env.Baseline = "nftables"
	if got := a.BaselineOf(); got != "nftables" {
		t.Errorf("baseline %q, want the definition's", got)
	}
}
