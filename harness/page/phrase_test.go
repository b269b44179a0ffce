// SPDX-License-Identifier: Apache-2.0

package page

import (
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/verdict"
)

// TestPhrases: an effect as a sentence, as one that goes on from it, and in a list; the direction, the form and the quantity are right.
func TestPhrases(t *testing.T) {
	of := func(median, low, high float64, difference bool) (v verdict.Against) {
		v.Effect.Median, v.Effect.Lo, v.Effect.Hi, v.Difference = median, low, high, difference
		return v
	}
	for _, c := range []struct {
		unit                 string
		v                    verdict.Against
		said, goesOn, listed string
	}{
		{"pkt/s", of(2.84, 2.81, 4.33, false), "v carries 2.84 times [2.81, 4.33] as many packets/s as b", "2.84 times [2.81, 4.33] as many as b", "v 2.84 times"},
		{"conn/s", of(1.072, 1.026, 1.123, false), "v makes 7.2 % [2.6, 12.3] more connections/s than b", "7.2 % [2.6, 12.3] more than b", "v 7.2 % more"},
		{"conn/s", of(0.646, 0.644, 0.656, false), "v makes 35.4 % [34.4, 35.6] fewer connections/s than b", "35.4 % [34.4, 35.6] fewer than b", "v 35.4 % fewer"},
		{"op/s", of(0.25, 0.2, 0.5, false), "b does 4.00 times [2.00, 5.00] as many operations/s as v", "b does 4.00 times [2.00, 5.00] as many operations/s as v", "4.00 times as many as v"},
		{"req/s", of(1.2, 0.725, 1.61, false), "v answers 0.725 to 1.61 times as many requests/s as b", "0.725 to 1.61 times as many as b", "v 0.725 to 1.61 times"},
		{"sec/pkt", of(1/141.0, 1/181.0, 1/133.0, false), "b takes 141 times [133, 181] as long as v", "b takes 141 times [133, 181] as long as v", "141 times as long as v"},
		{"p99-sec", of(0.607, 0.594, 0.807, false), "v takes 39.3 % [19.3, 40.6] less time than b", "39.3 % [19.3, 40.6] less time than b", "v 39.3 % less"},
		{"p99-sec", of(1.022, 1.017, 1.053, false), "v takes 2.2 % [1.7, 5.3] longer than b", "2.2 % [1.7, 5.3] longer than b", "v 2.2 % longer"},
		{"insn/pkt", of(4.5, 4.49, 4.5, false), "v executes 4.50 times [4.49, 4.50] as many instructions per packet as b", "4.50 times [4.49, 4.50] as many as b", "v 4.50 times"},
		{"insn/pkt", of(0.9, 0.8, 0.95, false), "v executes 10.0 % [5.0, 20.0] fewer instructions per packet than b", "10.0 % [5.0, 20.0] fewer than b", "v 10.0 % fewer"},
		{"jited-B", of(4.5, 4.49, 4.5, false), "jited bytes of v is 4.50 times [4.49, 4.50] that of b", "4.50 times [4.49, 4.50] that of b", "v 4.50 times"},
		{"retrans-share", of(0.0147, 0.0138, 0.0148, true), "retransmitted share of v is 1.47 points [1.38, 1.48] higher than that of b", "1.47 points [1.38, 1.48] higher than that of b", "v 1.47 points higher"},
		{"served-share", of(-0.02, -0.03, -0.01, true), "served share of v is 2.00 points [1.00, 3.00] lower than that of b", "2.00 points [1.00, 3.00] lower than that of b", "v 2.00 points lower"},
		{"served-share", of(0, 0, 0, true), "served share of v is the same as that of b", "the same as that of b", "v the same"},
	} {
		e := effect{panel{unit: c.unit}, harness.Variant{Name: "v"}, c.v}
		if got := e.text("b", false); got != c.said {
			t.Errorf("%q, want %q", got, c.said)
		}
		if got := e.text("b", true); got != c.goesOn {
			t.Errorf("going on: %q, want %q", got, c.goesOn)
		}
		if got := e.brief(inWords); got != c.listed {
			t.Errorf("listed: %q, want %q", got, c.listed)
		}
	}
	// A list keeps the form of the sentence that it goes on from.
	e := effect{panel{unit: "pkt/s"}, harness.Variant{Name: "v"}, of(1.64, 1.6, 1.7, false)}
	if got := e.brief(inTimes); got != "v 1.64 times" {
		t.Errorf("%q after a sentence of times", got)
	}
}
