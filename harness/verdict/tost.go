// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"math"

	mstats "github.com/montanaflynn/stats"

	"github.com/kxlab/kxlab/harness/stats"
)

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
