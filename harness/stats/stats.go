// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"sort"

	mstats "github.com/montanaflynn/stats"
	"golang.org/x/perf/benchmath"
)

// confidence is the level asked for of every interval.
const Confidence = 0.95

// enough is the level below which an interval decides nothing: five repeats reach 93.8 %, four 87.5 %.
const Enough = 0.9

// A Summary is the centre of a sample and how well it is known.
type Summary struct {
	N          int     `json:"n"`
	Median     float64 `json:"median"`
	Lo         float64 `json:"lo"` // equal to Median where there is no interval (N < 2)
	Hi         float64 `json:"hi"`
	Confidence float64 `json:"confidence"` // of the interval; 0 if there is none
	CV         float64 `json:"cv"`         // population standard deviation over the mean
}

// summarize returns the median with its order-statistic interval.
func Summarize(values []float64) Summary {
	n := len(values)
	s := benchmath.NewSample(append([]float64(nil), values...), &benchmath.DefaultThresholds)
	m := benchmath.AssumeNothing.Summary(s, Confidence)
	if math.IsInf(m.Lo, 0) || math.IsInf(m.Hi, 0) { // the full range is the widest there is
		level := 1 - math.Pow(2, float64(1-n))
		m.Lo, m.Hi, m.Confidence = s.Values[0], s.Values[n-1], level
	}
	out := Summary{N: n, Median: m.Center, Lo: m.Lo, Hi: m.Hi, Confidence: m.Confidence}
	if sd, err := mstats.StandardDeviation(values); err == nil {
		if mean, _ := mstats.Mean(values); mean != 0 {
			out.CV = sd / math.Abs(mean)
		}
	}
	return out
}

func Median(v []float64) float64 {
	m, err := mstats.Median(v)
	if err != nil {
		return math.NaN()
	}
	return m
}

// rankP is the p value of the Mann-Whitney test, exact for small samples without ties.
func RankP(a, b []float64) float64 {
	s1 := benchmath.NewSample(append([]float64(nil), a...), &benchmath.DefaultThresholds)
	s2 := benchmath.NewSample(append([]float64(nil), b...), &benchmath.DefaultThresholds)
	p := benchmath.AssumeNothing.Compare(s1, s2).P
	if math.IsNaN(p) {
		return 1 // all values are equal
	}
	return p
}

// leastRankP is the smallest p value that the Mann-Whitney test can give for samples of these sizes.
func LeastRankP(n1, n2 int) float64 {
	lg := func(n int) float64 { v, _ := math.Lgamma(float64(n + 1)); return v }
	return math.Min(1, 2*math.Exp(lg(n1)+lg(n2)-lg(n1+n2)))
}

// tailT is the two-sided tail of Student's t distribution: P(|T| >= t) with df degrees of freedom, from the regularised
// incomplete beta function I_x(df/2, 1/2) at x = df/(df+t^2).
func TailT(t, df float64) float64 {
	if math.IsNaN(t) || df <= 0 {
		return 1
	}
	if df > 200 { // the normal distribution, to three digits
		return math.Erfc(math.Abs(t) / math.Sqrt2)
	}
	return incompleteBeta(df/(df+t*t), df/2, 0.5)
}

// incompleteBeta is the regularised incomplete beta function by numerical integration after the substitution
// u = sin^2(phi), which takes the singularity at 1 away for b = 1/2.
func incompleteBeta(x, a, b float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	scale := 2 * math.Exp(lab-la-lb)
	f := func(phi float64) float64 {
		return math.Pow(math.Sin(phi), 2*a-1) * math.Pow(math.Cos(phi), 2*b-1)
	}
	const steps = 400 // Simpson's rule; even
	top := math.Asin(math.Sqrt(x))
	h := top / steps
	sum := f(0) + f(top)
	for i := 1; i < steps; i++ {
		w := 2.0
		if i%2 == 1 {
			w = 4
		}
		sum += w * f(float64(i)*h)
	}
	return math.Min(1, scale*sum*h/3)
}

// benjaminiHochberg returns the adjusted p values (Benjamini and Hochberg 1995, step-up).
func BenjaminiHochberg(p []float64) []float64 {
	n := len(p)
	idx := make([]int, n)
	for i := range idx {
		idx[i] = i
	}
	sort.SliceStable(idx, func(a, b int) bool { return p[idx[a]] < p[idx[b]] })
	out := make([]float64, n)
	least := 1.0
	for k := n - 1; k >= 0; k-- {
		least = math.Min(least, p[idx[k]]*float64(n)/float64(k+1))
		out[idx[k]] = least
	}
	return out
}
