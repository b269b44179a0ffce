// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"math"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// TestGaps: what a comparison says nothing about is listed, and what the new run lacks fails the gate.
func TestGaps(t *testing.T) {
	exact := func(v ...float64) *record.Run { return small("exact", insn, "", cell{"a", "c", "", v}) }
	with := func(r *record.Run, change func(*record.Env)) *record.Run {
		r.Dir = "D"
		change(&r.Env)
		return r
	}
	ended := func(e *record.Env) { e.Complete, e.Plan = false, 40 }
	timed := func(e *record.Env) { e.Budgets = map[string]string{"w/place=same": "measure 1s, warm 1s"} }
	pair := func(second bool) *record.Run {
		cells := []cell{{"a", "c", "", around(1000)}}
		if second {
			cells = append(cells, cell{"a" + harness.SuffixAA, "c", "", around(1001)})
		}
		return small("exact", insn, "", cells...)
	}
	for _, tt := range []struct {
		what        string
		old, new    *record.Run
		says        string
		gate, blind bool
	}{
		{"all judged", exact(1, 1), exact(1, 1), "", false, false},
		{"one trial", exact(1), exact(2), "1 of 1 row was not judged: 1 with one trial; run both with --repeat 5 or more", false, true},
		{"too few", small("host", seconds, "", cell{"a", "c", "", []float64{1, 2, 3}}), small("host", seconds, "", cell{"a", "c", "", []float64{1, 2, 3}}),
			"1 of 1 row was not judged: 1 with too few repeats; run both with --repeat 5 or more", false, true},
		{"part of the rows", small("exact", insn, "", cell{"a", "c", "", []float64{1, 1}}, cell{"b", "c", "", []float64{1}}),
			small("exact", insn, "", cell{"a", "c", "", []float64{1, 1}}, cell{"b", "c", "", []float64{2}}), "1 of 2 rows was not judged: 1 with one trial", false, false},
		{"the new run ended early", exact(1, 1), with(exact(1, 1), ended), "D is incomplete: 2 of 40 trials", true, false},
		{"the old run ended early", with(exact(1, 1), ended), exact(1, 1), "D is incomplete: 2 of 40 trials", false, false},
		{"the new run has no A/A", pair(true), pair(false), "the new run has no A/A of a, in 1 row: its noise there is not known", false, false},
		{"the old run has no A/A", pair(false), pair(true), "the old run has no A/A of a, in 1 row", false, false},
		{"measuring time of the new run unknown", with(exact(1, 1), timed), exact(1, 1), "only the old run records the measuring time of w", false, false},
		{"measuring time of the old run unknown", exact(1, 1), with(exact(1, 1), timed), "only the new run records the measuring time of w", false, false},
		{"measuring time of another workload", exact(1, 1), with(exact(1, 1), func(e *record.Env) { e.Budgets = map[string]string{"wide": "x"} }), "", false, false},
		{"profile unknown", with(exact(1, 1), func(e *record.Env) { e.Profile = "full" }), exact(1, 1), "only the old run records the profile", false, false},
	} {
		c := mustCompare(t, tt.old, tt.new, CompareOptions{})
		if text := strings.Join(c.Gaps, "\n"); !strings.Contains(text, tt.says) || tt.says == "" && text != "" {
			t.Errorf("%s: gaps %q, want %q in it", tt.what, text, tt.says)
		}
		if c.Gate() != tt.gate || c.Blind() != tt.blind {
			t.Errorf("%s: the gate fails %v, is blind %v; want %v, %v", tt.what, c.Gate(), c.Blind(), tt.gate, tt.blind)
		}
		if len(c.Missing)+len(c.OnlyNew) > 0 {
			t.Errorf("%s: missing %v, only new %v", tt.what, c.Missing, c.OnlyNew)
		}
		if c := mustCompare(t, tt.old, tt.new, CompareOptions{AllowMissing: true}); c.Gate() || c.Blind() {
			t.Errorf("%s, allowed: the gate fails %v, is blind %v", tt.what, c.Gate(), c.Blind())
		}
	}
}

// TestSummary: what there is none of is left out, and what only one run has is counted for either.
func TestSummary(t *testing.T) {
	a := small("exact", insn, "", cell{"a", "c", "", []float64{1}}, cell{"b", "c", "", []float64{1}})
	b := small("exact", insn, "", cell{"a", "c", "", []float64{1}}, cell{"d", "c", "", []float64{1}}, cell{"d" + harness.SuffixAA, "c", "", []float64{1}})
	if got, want := mustCompare(t, a, b, CompareOptions{}).Summary(), "1 row, 0 worse, 0 better, 1 with one trial, 1 missing, 1 only in the new run"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestFarRatio: quotients beyond the range of numbers are judged.
func TestFarRatio(t *testing.T) {
	for target, n := range map[string]int{"exact": 2, "host": 5} {
		for _, tt := range []struct {
			old, new float64
			want     string
		}{{14796, 1e-320, Better}, {1e-320, 14796, Worse}, {1e-200, 1e200, Worse}, {1e200, 1e-200, Better}} {
			at := func(v float64) *record.Run {
				var values []float64
				for range n {
					values = append(values, v)
				}
				return small(target, insn, "a", cell{"a", "c", "", values})
			}
			r := mustCompare(t, at(tt.old), at(tt.new), CompareOptions{}).Rows[0]
			if r.Verdict != tt.want || math.IsInf(r.Delta, 0) || math.IsNaN(r.Delta) {
				t.Errorf("%s, %v to %v: %q, delta %v, p %v", target, tt.old, tt.new, r.Verdict, r.Delta, r.P)
			}
		}
	}
}
