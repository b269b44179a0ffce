// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"slices"
)

// A ChangePoint is a place in a series where its mean steps.
type ChangePoint struct {
	Index  int // of the first value behind the step
	P      float64
	Before float64 // the mean of the values since the change point before
	After  float64 // and up to the next
}

// Magnitude is the size of the step as a share of the smaller of both means; 0 if one of them is 0.
func (c ChangePoint) Magnitude() float64 {
	if c.Before == 0 || c.After == 0 {
		return 0
	}
	return max(math.Abs(c.After/c.Before-1), math.Abs(c.Before/c.After-1))
}

// ChangeOptions say how change points are sought.
type ChangeOptions struct {
	Window       int     // values that are looked at together, 2 or more
	MaxP         float64 // of a step, by Student's test
	MinMagnitude float64 // of a step, a share
}

// ChangePoints finds the steps in a series of a noisy quantity: E-divisive (Matteson and James, arXiv:1306.4933) over windows that overlap
// by half, with Student's test for a step, and then weak steps are taken away until all that are left are significant and large enough
// (Fleming et al., Hunter, ICPE 2023). The choices are those of Apache Otava, whose published results it reproduces: standard deviations
// are the population's, the first pass takes up to ten times the probability, and after a step is taken away the step in its place and the
// one behind are judged anew, not the one before.
func ChangePoints(series []float64, o ChangeOptions) []ChangePoint {
	first := o.MaxP
	switch {
	case o.MaxP < 0.05:
		first = 10 * o.MaxP
	case o.MaxP < 0.5:
		first = 2 * o.MaxP
	}
	var weak []int
	for start := 0; start < len(series); {
		window := series[start:min(start+o.Window, len(series))]
		found := divide(window, first)
		last := 0
		for _, i := range found {
			last = start + i
			if !slices.Contains(weak, last) {
				weak = append(weak, last)
			}
		}
		start = max(last, start+o.Window/2)
	}
	slices.Sort(weak)
	points := make([]ChangePoint, len(weak))
	for k := range weak {
		points[k] = step(series, weak, k)
	}
	return strong(series, points, o)
}

// strong takes the weakest step away until all are significant and large.
func strong(series []float64, points []ChangePoint, o ChangeOptions) []ChangePoint {
	for len(points) > 0 {
		least := 0
		for k, p := range points {
			if p.P > points[least].P {
				least = k
			}
		}
		if points[least].P < o.MaxP {
			least = 0
			for k, p := range points {
				if p.Magnitude() < points[least].Magnitude() {
					least = k
				}
			}
			if points[least].Magnitude() > o.MinMagnitude {
				return points
			}
		}
		points = slices.Delete(points, least, least+1)
		indices := make([]int, len(points))
		for k, p := range points {
			indices[k] = p.Index
		}
		for k := least; k < min(least+2, len(points)); k++ {
			points[k] = step(series, indices, k)
		}
	}
	return nil
}

// step is the change point at indices[k], between the one before and the next.
func step(series []float64, indices []int, k int) ChangePoint {
	from, to := 0, len(series)
	if k > 0 {
		from = indices[k-1]
	}
	if k+1 < len(indices) {
		to = indices[k+1]
	}
	return between(series, from, indices[k], to)
}

// between is the change point at i in series[from:to], by Student's test of both sides.
func between(series []float64, from, i, to int) ChangePoint {
	left, right := series[from:i], series[i:to]
	m, v := meanVar(left)
	n, w := meanVar(right)
	c := ChangePoint{Index: i, P: 1, Before: m, After: n}
	a, b := float64(len(left)), float64(len(right))
	df := a + b - 2
	if df <= 0 {
		return c
	}
	pooled := ((a-1)*v + (b-1)*w) / df
	t := (n - m) / math.Sqrt(pooled*(1/a+1/b))
	if !math.IsNaN(t) { // equal values on both sides
		c.P = TailT(t, df)
	}
	return c
}

// meanVar is the mean and the population's variance.
func meanVar(v []float64) (mean, variance float64) {
	for _, x := range v {
		mean += x
	}
	mean /= float64(len(v))
	for _, x := range v {
		variance += (x - mean) * (x - mean)
	}
	return mean, variance / float64(len(v))
}

// divide finds the steps in a window, sorted: of all parts, the split with the largest divergence is taken, until one is not significant.
func divide(window []float64, maxP float64) []int {
	var found []int
	for {
		bounds := slices.Concat([]int{0}, found, []int{len(window)})
		best, at, part := math.Inf(-1), 0, 0
		for k := range len(bounds) - 1 {
			if bounds[k+1]-bounds[k] < 2 {
				continue
			}
			if i, q := divergence(window[bounds[k]:bounds[k+1]]); q > best {
				best, at, part = q, bounds[k]+i, k
			}
		}
		if at == 0 || between(window, bounds[part], at, bounds[part+1]).P > maxP {
			return found
		}
		found = append(found, at)
		slices.Sort(found)
	}
}

// divergence is the largest divergence of two neighbouring stretches of a part, the first of which begins it, and where the second begins:
// twice the mean distance across, without the mean distances within, weighted by n m / (n + m). The part has two values or more.
func divergence(part []float64) (at int, most float64) {
	n := len(part)
	// within[i] is the sum of the distances of all pairs in part[:i].
	within := make([]float64, n+1)
	for i := 1; i <= n; i++ {
		within[i] = within[i-1]
		for j := range i - 1 {
			within[i] += math.Abs(part[i-1] - part[j])
		}
	}
	most = math.Inf(-1)
	for i := 1; i < n; i++ {
		right, across := 0.0, 0.0 // of part[i:k], and between both
		for k := i + 1; k <= n; k++ {
			x := part[k-1]
			for j := range i {
				across += math.Abs(x - part[j])
			}
			for j := i; j < k-1; j++ {
				right += math.Abs(x - part[j])
			}
			a, b := float64(i), float64(k-i)
			q := 2 / (a + b) * across
			if i > 1 {
				q -= 2 * b / (a + b) / (a - 1) * within[i]
			}
			if b > 1 {
				q -= 2 * a / (a + b) / (b - 1) * right
			}
			if q > most {
				at, most = i, q
			}
		}
	}
	return at, most
}
