// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	mstats "github.com/montanaflynn/stats"
	"golang.org/x/perf/benchmath"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Confidence is the level of every interval, if the sample is large enough.
const Confidence = 0.95

// Enough is the lowest level of an interval that decides: five repeats reach 93.8 %, four 87.5 %.
const Enough = 0.9

// A Summary is the median of a sample with its interval and the spread.
type Summary struct {
	N          int     `json:"n"`
	Median     float64 `json:"median"`
	Lo         float64 `json:"lo"` // equal to Median where there is no interval (N < 2)
	Hi         float64 `json:"hi"`
	Confidence float64 `json:"confidence"` // of the interval; 0 if there is none
	CV         float64 `json:"cv"`         // population standard deviation over the mean
	// Warnings are those of benchmath, such as that the sample is too small for the level.
	Warnings []string `json:"warnings,omitempty"`
}

// Summarize returns the median with its order-statistic interval.
func Summarize(values []float64) Summary {
	n := len(values)
	s := benchmath.NewSample(append([]float64(nil), values...), &benchmath.DefaultThresholds)
	m := benchmath.AssumeNothing.Summary(s, Confidence)
	if math.IsInf(m.Lo, 0) || math.IsInf(m.Hi, 0) { // the sample is too small: take its full range
		m.Lo, m.Hi, m.Confidence = s.Values[0], s.Values[n-1], 1-math.Pow(2, float64(1-n))
	}
	out := Summary{N: n, Median: m.Center, Lo: m.Lo, Hi: m.Hi, Confidence: m.Confidence, Warnings: texts(m.Warnings)}
	if sd, err := mstats.StandardDeviation(values); err == nil {
		if mean, _ := mstats.Mean(values); mean != 0 {
			out.CV = sd / math.Abs(mean)
		}
	}
	return out
}

// texts are the messages of benchmath's warnings, in words where it has none.
func texts(errs []error) []string {
	var out []string
	for _, e := range errs {
		text := e.Error()
		var n int
		var level float64
		if _, err := fmt.Sscanf(text, "need >= %d samples for confidence interval at level %g", &n, &level); err == nil {
			text = fmt.Sprintf("too few repeats for an interval at %g %%: %d are needed", 100*level, n)
		} else if _, err := fmt.Sscanf(text, "need >= %d samples to detect a difference at alpha level %g", &n, &level); err == nil {
			text = fmt.Sprintf("too few repeats for a difference at %g %%: %d are needed", 100*level, n)
		}
		out = append(out, text)
	}
	return out
}

// densest is the median of the shortest interval that holds a share of the values, above 0 and at most 1: an estimate of the mode that
// others' values on one side do not move, up to nearly all but that share (the shorth has a share of a half; Andrews et al., Robust
// Estimates of Location, 1972). Of intervals of one length the first counts. It panics if there is no value.
func densest(v []float64, share float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := max(1, int(math.Ceil(share*float64(len(s)))))
	at := 0
	for i := range len(s) - n + 1 {
		if s[i+n-1]-s[i] < s[at+n-1]-s[at] {
			at = i
		}
	}
	return Median(s[at : at+n])
}

// Floor is the lowest value that a tenth of the values, and two, have to the digit; the densest third of them if none is so frequent. It is what
// counts of instructions show to which others are only ever added. It panics if there is no value.
func Floor(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := max(2, int(math.Ceil(0.1*float64(len(s)))))
	for i := range len(s) - n + 1 {
		if s[i] == s[i+n-1] {
			return s[i]
		}
	}
	return densest(v, 1.0/3)
}

// Median is the middle of the values; not a number if there are none.
func Median(v []float64) float64 {
	m, _ := mstats.Median(v)
	return m
}

// InterquartileMean is the mean of the middle half of values, sorted: what is rare among them, such as a lap with a timer tick in
// it, does not count.
func InterquartileMean(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := sorted[len(sorted)/4 : len(sorted)-len(sorted)/4]
	var sum float64
	for _, v := range middle {
		sum += v
	}
	return sum / float64(len(middle))
}

// trimmed is the share of the values that TrimmedMean cuts off at either end.
const trimmed = 0.2

// TrimmedMean is the mean of values without the lowest and the highest fifth, and half the width of its interval: Student's, of the
// variance in which the values cut off are drawn in to the ends of the others (Tukey and McLaughlin 1963). It is the centre of values that
// stray alike to both sides, however far. Of fewer than two values the width is not a number.
func TrimmedMean(values []float64, confidence float64) (mean, half float64) {
	v := slices.Sorted(slices.Values(values))
	cut := int(trimmed * float64(len(v)))
	kept := len(v) - 2*cut
	mean = stat.Mean(v[cut:len(v)-cut], nil)
	for i := range cut {
		v[i], v[len(v)-1-i] = v[cut], v[len(v)-1-cut]
	}
	n := float64(len(v))
	return mean, CriticalT(1-confidence, float64(kept-1)) * stat.StdDev(v, nil) * math.Sqrt((n-1)/float64(kept-1)/float64(kept))
}

// RankP is the p value of the Mann-Whitney test, exact for small samples without ties, with benchmath's warnings.
func RankP(a, b []float64) (float64, []string) {
	s1 := benchmath.NewSample(append([]float64(nil), a...), &benchmath.DefaultThresholds)
	s2 := benchmath.NewSample(append([]float64(nil), b...), &benchmath.DefaultThresholds)
	c := benchmath.AssumeNothing.Compare(s1, s2)
	if math.IsNaN(c.P) { // all values are equal
		c.P = 1
	}
	return c.P, texts(c.Warnings)
}

// LeastRankP is the smallest p value that the Mann-Whitney test can give for samples of these sizes.
func LeastRankP(n1, n2 int) float64 {
	lg := func(n int) float64 { v, _ := math.Lgamma(float64(n + 1)); return v }
	return math.Min(1, 2*math.Exp(lg(n1)+lg(n2)-lg(n1+n2)))
}

// TailT is the two-sided tail of Student's t distribution: P(|T| >= t) with df degrees of freedom, which need not be whole.
// It is 1 where t is not a number or there is no degree of freedom.
func TailT(t, df float64) float64 {
	if math.IsNaN(t) || !(df > 0) {
		return 1
	}
	if math.IsInf(df, 1) { // distuv's incomplete beta function has no limit there
		return math.Erfc(math.Abs(t) / math.Sqrt2)
	}
	return math.Min(1, 2*distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.CDF(-math.Abs(t)))
}

// CriticalT is the t whose two-sided tail is alpha.
func CriticalT(alpha, df float64) float64 {
	if math.IsInf(df, 1) {
		return distuv.UnitNormal.Quantile(1 - alpha/2)
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(1 - alpha/2)
}

// UpperT is the upper tail of Student's t distribution: P(T > t).
func UpperT(t, df float64) float64 {
	p := TailT(t, df) / 2
	if t < 0 {
		return 1 - p
	}
	return p
}

// BenjaminiHochberg returns the adjusted p values (Benjamini and Hochberg 1995, step-up).
func BenjaminiHochberg(p []float64) []float64 {
	n := len(p)
	idx := make([]int, n)
	for i := range idx {
		idx[i] = i
	}
	slices.SortStableFunc(idx, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	out := make([]float64, n)
	least := 1.0
	for k := n - 1; k >= 0; k-- {
		least = math.Min(least, p[idx[k]]*float64(n)/float64(k+1))
		out[idx[k]] = least
	}
	return out
}
