// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"math"
	"strings"

	mstats "github.com/montanaflynn/stats"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
)

// equivalenceWorkload is the workload whose trials hold ports against their originals.
const equivalenceWorkload = "equivalence"

// tostAlpha is the level of each of the two one-sided tests.
const tostAlpha = 0.05

// leastVersus is the fairness that one flow beside one of its original must have on average.
const leastVersus = 0.95

// The verdicts on a port.
const (
	Equivalent    = "equivalent"     // shown: each difference lies within its margin
	NotEquivalent = "not equivalent" // shown: at least one lies outside
	Undecided     = "not shown"      // neither
)

// A tolerance is how far a port may be from its original and still be called the same.
type tolerance struct {
	unit     string
	width    float64
	relative bool
}

func tolerances() []tolerance {
	return []tolerance{
		{"bit/s", 0.03, true}, {"p50-rtt-sec", 0.05, true}, {"p95-rtt-sec", 0.05, true}, {"retrans-share", 0.005, false},
	}
}

// An Equivalence is what a run says about one port under one set of conditions.
type Equivalence struct {
	Variant  string  `json:"variant"`
	Original string  `json:"original"`
	Where    string  `json:"where"`
	Control  bool    `json:"control,omitempty"` // it is wrong on purpose
	Parts    []TOST  `json:"parts"`
	Versus   float64 `json:"versus"` // mean fairness one against one; NaN is 0 with VersusN 0
	VersusN  int     `json:"versus_n"`
	Cost     float64 `json:"cost,omitempty"` // instructions a packet over the original's; 0: not measured
	Verdict  string  `json:"verdict"`
	Why      string  `json:"why"`
}

// A TOST is the outcome of two one-sided tests (Schuirmann 1987) on paired differences: under the same seed, port and
// original saw the same losses. Differences of relative units are those of logarithms.
type TOST struct {
	Unit    string  `json:"unit"`
	N       int     `json:"n"`
	Mean    float64 `json:"mean"` // of the differences; a share, or a relative one
	Margin  float64 `json:"margin"`
	P       float64 `json:"p"` // of the worse of the two tests
	Verdict string  `json:"verdict"`
}

// tost tests whether the mean of paired differences lies within ±width.
func tost(d []float64, width float64) TOST {
	t := TOST{N: len(d), Margin: width, P: 1, Verdict: Undecided}
	t.Mean, _ = mstats.Mean(d)
	if t.N < 2 {
		return t
	}
	sd, _ := mstats.StandardDeviationSample(d)
	se := sd / math.Sqrt(float64(t.N))
	if se == 0 { // the same to the last digit: there is nothing to test
		t.P, t.Verdict = 0, Equivalent
		if math.Abs(t.Mean) >= width {
			t.P, t.Verdict = 1, NotEquivalent
		}
		return t
	}
	above := func(x float64) float64 { // P(T > x)
		p := stats.TailT(math.Abs(x), float64(t.N-1)) / 2
		if x < 0 {
			return 1 - p
		}
		return p
	}
	t.P = math.Max(above((width+t.Mean)/se), above((width-t.Mean)/se))
	switch {
	case t.P < tostAlpha:
		t.Verdict = Equivalent
	case above((math.Abs(t.Mean)-width)/se) < tostAlpha:
		t.Verdict = NotEquivalent
	}
	return t
}

// Equivalences holds every port that a run measured against its original, and the variant that was measured twice against
// itself: a test that did not find that one the same would be broken.
func Equivalences(r *record.Run) []Equivalence {
	all := r.Samples()
	var out []Equivalence
	seen := map[string]bool{}
	for _, s := range all {
		c := s.Cell
		key := c.Variant + c.AxesName("")
		if c.Workload != equivalenceWorkload || seen[key] {
			continue
		}
		seen[key] = true
		v, _ := r.Env.Variant(c.Variant)
		e := Equivalence{Variant: c.Variant, Original: v.Original, Control: v.Control, Where: strings.ReplaceAll(strings.TrimPrefix(c.AxesName(""), "/"), "/", " ")}
		if base, ok := strings.CutSuffix(c.Variant, harness.SuffixAA); ok {
			e.Original, e.Control = base, false
		}
		if e.Original == "" {
			continue
		}
		e.judge(all, c)
		out = append(out, e)
	}
	return out
}

// judge fills in the tests and the verdict.
func (e *Equivalence) judge(all []*record.Sample, c harness.Cell) {
	find := func(variant, unit string) *record.Sample {
		for _, s := range all {
			if s.Cell.Workload == equivalenceWorkload && s.Cell.Variant == variant && s.Unit == unit && s.Cell.AxesName("") == c.AxesName("") {
				return s
			}
		}
		return nil
	}
	e.Verdict = Equivalent
	var outside, open []string
	for _, m := range tolerances() {
		a, b := find(e.Variant, m.unit), find(e.Original, m.unit)
		if a == nil || b == nil {
			e.Verdict, e.Why = Undecided, "the original was not measured under the same conditions"
			return
		}
		width := m.width
		if m.relative {
			width = math.Log1p(m.width)
		}
		t := tost(differences(a, b, m.relative), width)
		t.Unit = m.unit
		if m.relative {
			t.Mean, t.Margin = math.Expm1(t.Mean), m.width
		}
		e.Parts = append(e.Parts, t)
		text := fmt.Sprintf("%s %s (margin %s)", m.unit, unit.Percent(t.Mean, true), unit.Percent(t.Margin, false))
		switch t.Verdict {
		case NotEquivalent:
			outside = append(outside, text)
		case Undecided:
			open = append(open, text)
		}
	}
	if v := find(e.Variant, "versus-jain-share"); v != nil {
		e.Versus, _ = mstats.Mean(v.Values)
		if e.VersusN = len(v.Values); e.Versus < leastVersus {
			outside = append(outside, fmt.Sprintf("one against one %s (at least %s)", unit.Percent(e.Versus, false), unit.Percent(leastVersus, false)))
		}
	}
	if a, b := find(e.Variant, "insn/seg"), find(e.Original, "insn/seg"); a != nil && b != nil {
		if q, ok := PairedRatio(a, b); ok {
			e.Cost = q.Median
		}
	}
	switch {
	case len(outside) > 0:
		e.Verdict, e.Why = NotEquivalent, strings.Join(outside, "; ")
	case len(open) > 0:
		e.Verdict, e.Why = Undecided, fmt.Sprintf("%d repeats leave open: %s", e.Parts[0].N, strings.Join(open, "; "))
	default:
		e.Why = "each difference lies within its margin"
	}
	if e.Control && e.Verdict != NotEquivalent {
		e.Why = "THE CONTROL WAS NOT FOUND WRONG: the test cannot be trusted; " + e.Why
	}
}

// differences pairs two samples by repeat.
func differences(a, b *record.Sample, relative bool) []float64 {
	at := map[int]float64{}
	for i, r := range b.Repeats {
		at[r] = b.Values[i]
	}
	var out []float64
	for i, r := range a.Repeats {
		o, ok := at[r]
		switch {
		case !ok:
		case !relative:
			out = append(out, a.Values[i]-o)
		case a.Values[i] > 0 && o > 0:
			out = append(out, math.Log(a.Values[i]/o))
		}
	}
	return out
}
