// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"math"
	"slices"
	"strings"

	mstats "github.com/montanaflynn/stats"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
)

// equivalenceWorkload is the workload that compares ports with their originals.
const equivalenceWorkload = "equivalence"

// leastVersus is the least mean of Jain's index between one flow of a port and one of its original.
const leastVersus = 0.95

// The margin of retrans-share is retransPart of the original's share, and at least leastRetrans (0.1 points).
const (
	leastRetrans = 0.001
	retransPart  = 0.25
)

// The verdicts on a port.
const (
	equivalent    = "equivalent"     // each difference lies within its margin
	notEquivalent = "not equivalent" // at least one lies outside
	undecided     = "not shown"      // neither is shown
)

// A tolerance is how far a unit of a port may be from its original's. If it is not relative, width is a part of the original's
// mean, and the margin at least least, in the unit: such units may be 0.
type tolerance struct {
	unit     string
	width    float64
	least    float64
	relative bool
}

// margin is the margin for an original's values, in the terms of the test.
func (m tolerance) margin(original []float64) float64 {
	if m.relative {
		return math.Log1p(m.width)
	}
	mean, _ := mstats.Mean(original)
	return max(m.least, m.width*mean)
}

func tolerances() []tolerance {
	return []tolerance{
		{"bit/s", 0.03, 0, true}, {"p50-rtt-sec", 0.05, 0, true}, {"p95-rtt-sec", 0.05, 0, true},
		{"retrans-share", retransPart, leastRetrans, false},
	}
}

// An Equivalence is what a run says about one port under one set of conditions.
type Equivalence struct {
	Variant  string  `json:"variant"`
	Original string  `json:"original"`
	Where    string  `json:"where"`
	Control  bool    `json:"control,omitempty"` // it differs on purpose
	Parts    []TOST  `json:"parts"`
	Versus   float64 `json:"versus"` // mean fairness one against one; NaN is 0 with VersusN 0
	VersusN  int     `json:"versus_n"`
	VersusP  float64 `json:"versus_p"`       // that the mean fairness is below leastVersus
	Cost     float64 `json:"cost,omitempty"` // instructions a packet over the original's; 0: not measured
	Verdict  string  `json:"verdict"`
	Why      string  `json:"why"`
}

// equivalences compares every port that the run measured with its original, and the variant that was measured twice with
// itself, which tests the test.
func (a *Analysis) equivalences() []Equivalence {
	var out []Equivalence
	seen := map[string]bool{}
	for _, s := range a.Samples {
		c := s.Cell
		key := c.Variant + c.AxesName("")
		if c.Workload != equivalenceWorkload || seen[key] {
			continue
		}
		seen[key] = true
		v, _ := a.Run.Env.Variant(c.Variant)
		e := Equivalence{Variant: c.Variant, Original: v.Original, Control: v.Control, Where: c.AxesText()}
		if base, ok := strings.CutSuffix(c.Variant, harness.SuffixAA); ok {
			e.Original, e.Control = base, false
		}
		if e.Original != "" {
			e.judge(a, c)
			out = append(out, e)
		}
	}
	return out
}

// judge fills in the tests and the verdict.
func (e *Equivalence) judge(a *Analysis, c harness.Cell) {
	find := func(variant, unit string) *record.Sample {
		s, _ := harness.Find(a.Samples, func(s *record.Sample) bool {
			return s.Cell.Workload == equivalenceWorkload && s.Cell.Variant == variant && s.Unit == unit && s.Cell.AxesName("") == c.AxesName("")
		})
		return s
	}
	e.Verdict = equivalent
	var outside, open []string
	add := func(verdict, text string) {
		switch verdict {
		case notEquivalent:
			outside = append(outside, text)
		case undecided:
			open = append(open, text)
		}
	}
	for _, m := range tolerances() {
		a, b := find(e.Variant, m.unit), find(e.Original, m.unit)
		if a == nil || b == nil {
			e.Verdict, e.Why = undecided, "the original was not measured under the same conditions"
			return
		}
		t := tost(differences(a, b, m.relative), m.margin(b.Values))
		t.Unit = m.unit
		if m.relative {
			t.Mean, t.Margin = math.Expm1(t.Mean), m.width
		}
		e.Parts = append(e.Parts, t)
		add(t.Verdict, fmt.Sprintf("%s %s (margin %s)", m.unit, unit.Percent(t.Mean, true), unit.Percent(t.Margin, false)))
	}
	if v := find(e.Variant, "versus-jain-share"); v != nil {
		var verdict string
		e.Versus, e.VersusP, verdict = atLeast(v.Values, leastVersus)
		e.VersusN = len(v.Values)
		text := fmt.Sprintf("one against one %s (at least %s)", unit.Percent(e.Versus, false), unit.Percent(leastVersus, false))
		if e.VersusN == 1 {
			text += ", one trial"
		}
		add(verdict, text)
	}
	if a, b := find(e.Variant, "insn/seg"), find(e.Original, "insn/seg"); a != nil && b != nil {
		if q, ok := PairedRatio(a, b); ok {
			e.Cost = q.Median
		}
	}
	switch {
	case len(outside) > 0:
		e.Verdict, e.Why = notEquivalent, strings.Join(outside, "; ")
	case len(open) > 0:
		repeats := fmt.Sprintf("%d repeats leave", e.Parts[0].N)
		if e.Parts[0].N == 1 {
			repeats = "one trial leaves"
		}
		e.Verdict, e.Why = undecided, fmt.Sprintf("%s open: %s", repeats, strings.Join(open, "; "))
	default:
		e.Why = "each difference lies within its margin"
	}
	if e.Control && e.Verdict != notEquivalent {
		e.Why = "THE CONTROL WAS NOT FOUND WRONG: the test cannot be trusted; " + e.Why
	}
}

// pairs are the values of two samples in the repeats that both have.
func pairs(a, b *record.Sample) [][2]float64 {
	at := map[int]float64{}
	for i, r := range b.Repeats {
		at[r] = b.Values[i]
	}
	var out [][2]float64
	for i, r := range a.Repeats {
		if o, ok := at[r]; ok {
			out = append(out, [2]float64{a.Values[i], o})
		}
	}
	return out
}

// differences are those of paired values, or of their logarithms if relative: then pairs with a value of 0 or less are left out.
func differences(a, b *record.Sample, relative bool) []float64 {
	var out []float64
	for _, v := range pairs(a, b) {
		switch {
		case !relative:
			out = append(out, v[0]-v[1])
		case v[0] > 0 && v[1] > 0:
			out = append(out, logRatio(v[0], v[1]))
		}
	}
	return out
}

// logRatio is the logarithm of a/b, also where the quotient is too large or too small for a number.
func logRatio(a, b float64) float64 {
	if q := a / b; q > 1e-300 && q < 1e300 {
		return math.Log(q)
	}
	return math.Log(a) - math.Log(b)
}

// relative is a logarithm of a ratio as a relative difference, which is finite.
func relative(log float64) float64 { return math.Min(math.Expm1(log), 1e300) }

// PairedRatio is the median of a/b over the repeats that both have; ok is false if there is none or a divisor is 0.
func PairedRatio(a, b *record.Sample) (s stats.Summary, ok bool) {
	v := pairs(a, b)
	if len(v) == 0 || slices.ContainsFunc(v, func(v [2]float64) bool { return v[1] == 0 }) {
		return s, false
	}
	return stats.Summarize(harness.Map(v, func(v [2]float64) float64 { return v[0] / v[1] })), true
}

// tostAlpha is the level of each of the two one-sided tests.
const tostAlpha = 0.05

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
	t := TOST{N: len(d), Margin: width, P: 1, Verdict: undecided}
	t.Mean, _ = mstats.Mean(d)
	if t.N < 2 {
		return t
	}
	sd, _ := mstats.StandardDeviationSample(d)
	se := sd / math.Sqrt(float64(t.N))
	if se == 0 { // the same to the last digit: there is nothing to test
		t.P, t.Verdict = 0, equivalent
		if math.Abs(t.Mean) >= width {
			t.P, t.Verdict = 1, notEquivalent
		}
		return t
	}
	above := func(x float64) float64 { return stats.UpperT(x, float64(t.N-1)) }
	t.P = math.Max(above((width+t.Mean)/se), above((width-t.Mean)/se))
	switch {
	case t.P < tostAlpha:
		t.Verdict = equivalent
	case above((math.Abs(t.Mean)-width)/se) < tostAlpha:
		t.Verdict = notEquivalent
	}
	return t
}

// atLeast tests whether the mean of values is at least a bound.
func atLeast(values []float64, bound float64) (mean, p float64, verdict string) {
	mean, _ = mstats.Mean(values)
	if len(values) < 2 {
		return mean, 1, undecided
	}
	sd, _ := mstats.StandardDeviationSample(values)
	se := sd / math.Sqrt(float64(len(values)))
	switch {
	case se > 0:
		p = stats.UpperT((mean-bound)/se, float64(len(values)-1))
	case mean < bound:
		p = 1
	}
	switch {
	case p < tostAlpha:
		return mean, p, equivalent
	case 1-p < tostAlpha:
		return mean, p, notEquivalent
	}
	return mean, p, undecided
}
