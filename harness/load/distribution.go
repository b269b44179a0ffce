// SPDX-License-Identifier: Apache-2.0

package load

import "slices"

// A Distribution is a sample's order statistics at fixed probabilities, in seconds.
type Distribution struct {
	N  int       // size of the sample
	At []float64 `json:",omitempty"` // by probability, in the order of Probabilities; empty if N is 0
}

// Probabilities are those of a Distribution: 0 to 1 in steps of 1 %, with 99.5, 99.9 and 99.99 %.
func Probabilities() []float64 {
	var out []float64
	for i := range 100 {
		out = append(out, float64(i)/100)
	}
	return append(out, 0.995, 0.999, 0.9999, 1)
}

// NewDistribution summarises a sample of nanoseconds. It sorts the sample.
func NewDistribution(ns []int64) Distribution {
	d := Distribution{N: len(ns)}
	if d.N == 0 {
		return d
	}
	slices.Sort(ns)
	for _, p := range Probabilities() {
		d.At = append(d.At, float64(ns[rank(p, d.N)])/1e9)
	}
	return d
}

// rank is the index of the smallest value that at least the share p of n sorted values does not exceed.
func rank(p float64, n int) int {
	i := int(p * float64(n))
	if float64(i) == p*float64(n) {
		i--
	}
	return min(max(i, 0), n-1)
}

// Quantile is the value at the probability, one of Probabilities, in seconds; 0 of an empty sample.
func (d Distribution) Quantile(p float64) float64 {
	if len(d.At) == 0 {
		return 0
	}
	i := slices.IndexFunc(Probabilities(), func(q float64) bool { return q >= p-1e-9 })
	return d.At[min(max(i, 0), len(d.At)-1)]
}
