// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/verdict"
)

// TestBar: the dot is on the interval, the claimed figure is where its verdict says, and values that a logarithm has not leave no bar.
func TestBar(t *testing.T) {
	for _, tt := range []struct {
		lo, mid, hi, said float64
		order             string // from left to right: the interval's ends, the dot, the figure
	}{
		{1.5, 2.96, 4.8, 6, "l m h s"}, {66, 76, 93, 5, "s l m h"}, {0.8, 0.94, 1.15, 1, "l m s h"}, {2, 2, 2, 1.1, "s l m h"},
	} {
		f := verdict.Finding{Claim: harness.Claim{Figure: tt.said, Relation: ">="}, Ratio: stats.Summary{N: 5, Median: tt.mid, Lo: tt.lo, Hi: tt.hi, Confidence: 0.94}}
		svg := string(bar(f, "good"))
		var x, width, mid, said float64
		read := func(after string, into *float64) {
			_, rest, ok := strings.Cut(svg, after)
			if _, err := fmt.Sscanf(rest, "%g", into); !ok || err != nil {
				t.Fatalf("%s in %s: %v", after, svg, err)
			}
		}
		read(`<rect class="good" x="`, &x)
		read(`y="7" width="`, &width)
		read(`cx="`, &mid)
		read(`<line class="bar-said" x1="`, &said)
		at := map[string]float64{"l": x, "m": mid, "h": x + width, "s": said}
		words := strings.Fields(tt.order)
		for i := range words[1:] {
			if at[words[i]] > at[words[i+1]]+0.11 {
				t.Errorf("%v: %s is at %g, %s at %g", tt, words[i], at[words[i]], words[i+1], at[words[i+1]])
			}
		}
		f.Ratio.Lo = 0
		if svg := bar(f, "good"); svg != "" {
			t.Errorf("an interval down to 0 has a bar: %s", svg)
		}
	}
}

// TestAsked: a claim stands on the board if the run asked for its cells, whether they have numbers or not; none of one trial is a verdict.
func TestAsked(t *testing.T) {
	verdicts := func(repeats int) map[string]string {
		r := synthetic.Golden()
		r.Trials = harness.Filter(r.Trials, func(t harness.Trial) bool { return t.Repeat < repeats })
		out := map[string]string{}
		for _, c := range Claims(verdict.Analyze(r)) {
			out[c.ID] = c.Verdict
		}
		return out
	}
	five := verdicts(5)
	for id, want := range map[string]string{"four": "✓ shown", "six": "✗ contradicted", "near": "~ not shown", "absent": "cannot be tested here", "unmeasured": "", "cannot": ""} {
		if five[id] != want {
			t.Errorf("claim %s: %q, want %q", id, five[id], want)
		}
	}
	if one := verdicts(1); one["four"] != "one trial" || one["six"] != "one trial" {
		t.Errorf("with one trial: %q", one)
	}
	if three := verdicts(3); three["four"] != "too few trials" {
		t.Errorf("with three trials: %q", three)
	}
}

// TestClaimConditions: a claim names what its cells share and what they differ in, and has no link but one of a source's address.
func TestClaimConditions(t *testing.T) {
	sel := func(workload, variant string, where ...string) (s harness.CellSelector) {
		s = harness.CellSelector{Workload: workload, Variant: variant}
		for _, w := range where {
			name, value, _ := strings.Cut(w, "=")
			s.Where = append(s.Where, harness.AxisValue{Name: name, Value: value})
		}
		return s
	}
	for _, tt := range []struct {
		a, b           harness.CellSelector
		url            string
		of, at, linked string
	}{
		{sel("newflow", "nftables", "services=10000", "ip=4"), sel("newflow", "iptables", "services=1", "ip=4"), "https://example.org/",
			"time per packet of nftables services=10000 over iptables services=1", "newflow ip=4", "https://example.org/"},
		{sel("pps", "a", "rate=1000"), sel("pps", "b", "rate=1000"), "javascript:alert(1)", "time per packet of a over b", "pps rate=1000", ""},
		{sel("pps", "a"), sel("crr", "a"), "", "time per packet of a in pps over a in crr", "", ""},
	} {
		c := NewClaim(verdict.Finding{Claim: harness.Claim{Figure: 2, Relation: ">=", Unit: "sec/pkt", Numerator: tt.a, Denominator: tt.b, URL: tt.url}})
		if c.Of != tt.of || c.At != tt.at || c.URL != tt.linked {
			t.Errorf("%q, %q, %q, want %q, %q, %q", c.Of, c.At, c.URL, tt.of, tt.at, tt.linked)
		}
	}
}

// TestClaimWithoutCells: a claim whose selectors name nothing, of a run of any size, is no row and no error.
func TestClaimWithoutCells(t *testing.T) {
	r := synthetic.Golden()
	r.Env.Claims = []harness.Claim{{ID: "empty", Experiment: "lb", Text: "nothing", Figure: 2, Relation: ">="}}
	a := verdict.Analyze(r)
	if n := len(Claims(a)); n != 0 || len(a.Findings) != 1 {
		t.Errorf("%d claims, %d findings", n, len(a.Findings))
	}
}
