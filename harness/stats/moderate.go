// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// A Prior is the distribution of the variances of a group of samples: scaled inverse chi-squared around Var with DF degrees
// of freedom. The zero value is no prior.
type Prior struct {
	Var float64
	DF  float64 // infinite: all samples have the same variance
}

// NewPrior estimates a prior from sample variances and their degrees of freedom, by the first two moments of the logarithm
// of the variances (Smyth 2004, "Linear models and empirical Bayes methods", section 6.2). Variances of 0 are left out: on a
// deterministic machine they tell nothing about the spread of samples that do differ. Fewer than three others give no prior.
func NewPrior(vars []float64, df []float64) Prior {
	var e, half []float64
	for i, v := range vars {
		if v > 0 && df[i] > 0 {
			e = append(e, math.Log(v)-mathext.Digamma(df[i]/2)+math.Log(df[i]/2))
			half = append(half, df[i]/2)
		}
	}
	n := float64(len(e))
	if n < 3 {
		return Prior{}
	}
	var mean, spread float64
	for _, x := range e {
		mean += x / n
	}
	for i, x := range e {
		spread += (x-mean)*(x-mean)/(n-1) - trigamma(half[i])/n
	}
	if spread <= 0 { // no more than chance explains: one variance for all
		return Prior{Var: math.Exp(mean), DF: math.Inf(1)}
	}
	d0 := 2 * inverseTrigamma(spread)
	return Prior{Var: math.Exp(mean + mathext.Digamma(d0/2) - math.Log(d0/2)), DF: d0}
}

// Moderate shrinks a sample's variance v with df degrees of freedom towards the prior's, and returns the variance and its degrees
// of freedom.
func (p Prior) Moderate(v, df float64) (float64, float64) {
	switch {
	case p.DF == 0:
		return v, df
	case math.IsInf(p.DF, 1):
		return p.Var, p.DF
	}
	return (p.DF*p.Var + df*v) / (p.DF + df), p.DF + df
}

// trigamma is the second derivative of the logarithm of the gamma function: Hurwitz' zeta function of 2.
func trigamma(x float64) float64 { return mathext.Zeta(2, x) }

// inverseTrigamma solves trigamma(y) = x by Newton's method as in Smyth 2004, appendix.
func inverseTrigamma(x float64) float64 {
	switch {
	case x > 1e7:
		return 1 / math.Sqrt(x)
	case x < 1e-6:
		return 1 / x
	}
	y := 0.5 + 1/x
	for range 50 {
		t := trigamma(y)
		step := t * (1 - t/x) / (-2 * mathext.Zeta(3, y)) // the derivative of trigamma is -2 zeta(3, y)
		y += step
		if -step/y < 1e-10 {
			break
		}
	}
	return y
}
