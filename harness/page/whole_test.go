// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

// served is a run of shares, by variant: what was served, and what came out of order.
func served(shares map[string][2]float64) *record.Run {
	r := synthetic.Spec{Seed: 1, Repeats: 5}.Run()
	for i, w := range r.Env.Workloads {
		if w.Name == "pps" {
			r.Env.Workloads[i].Metrics = []harness.MetricSpec{{Unit: "served-share", Better: "higher", Compare: "difference"}, {Unit: "late-share", Better: "lower", Compare: "difference"}}
		}
	}
	r.Env.Answers = []harness.Answer{{Need: "packets", Workload: "pps", Unit: "served-share", Whole: 1, Zero: "late-share"}}
	r.Trials = harness.Filter(r.Trials, func(t harness.Trial) bool {
		_, ok := shares[t.Cell.Variant]
		return ok && t.Cell.Workload == "pps"
	})
	for i, t := range r.Trials {
		late := shares[t.Cell.Variant][1] * float64(t.Repeat) // none in the first trial
		r.Trials[i].Result.Metrics = []harness.Metric{{Unit: "served-share", Value: shares[t.Cell.Variant][0]}, {Unit: "late-share", Value: late}}
	}
	return r
}

// TestWhole: a variant with a packet out of order in one trial does not reach the whole, a share below it is never written as 100 %, and
// nothing is said where no variant was measured.
func TestWhole(t *testing.T) {
	for _, tt := range []struct {
		shares map[string][2]float64
		want   string // "": no answer
	}{
		{map[string][2]float64{"iptables": {1, 0}, "nftables": {1, 0.1}}, "Yes: packets: 1 of 2 variants reach 100 % in every trial (iptables); late share above 0 (nftables, up to 40.0 %)."},
		{map[string][2]float64{"iptables": {1, 1e-6}, "nftables": {0.99998, 0}}, "No: packets: 0 of 2 variants reach 100 % in every trial; late share above 0 (iptables, up to 0.0004 %); the others fall short, down to 99.998 % (nftables)."},
		{map[string][2]float64{"forward": {1, 0}}, ""},
	} {
		text := strings.Join(Answer(verdict.Analyze(served(tt.shares))), " ")
		if tt.want == "" && strings.Contains(text, "variants") || !strings.Contains(text, tt.want) {
			t.Errorf("want %q: %s", tt.want, text)
		}
	}
}

// TestTableOfWhole: a table of few rows has the worst of each class beside the best, and says how many rows and columns it leaves out.
func TestTableOfWhole(t *testing.T) {
	a := verdict.Analyze(answered(t, "swap-host"))
	b := newBoard(a)
	b.told = b.answer()
	text := strings.Join(b.tables(Short{Width: shortWidth}, 18), "\n")
	for _, name := range []string{"xdp-link", "xdp-detach", "tail-delete", "cls-bpf-delete", "cgroup-detach", "iptables-nft-flush"} {
		if !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("%s is left out", name)
		}
	}
	if want := "8 rows and 14 columns left out"; !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
		t.Errorf("it does not say %q", want)
	}
	if t.Failed() {
		t.Log(text)
	}
}
