// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"math"

	"gonum.org/v1/plot"
)

// coverLog makes a logarithmic axis long enough that a labelled tick lies at or beyond both ends of the data, so that its labels cover the
// points.
func coverLog(a *plot.Axis) {
	lo, hi := a.Min, a.Max
	if !finite(true, lo) || !finite(true, hi) {
		return
	}
	if lo == hi {
		lo, hi = lo/1.15, hi*1.15
	}
	steps := []float64{1, 2, 5}
	if sparse(lo, hi) {
		steps = steps[:1]
	}
	from, to := below(lo, steps), above(hi, steps)
	if sparse(from, to) {
		from, to = below(lo, steps[:1]), above(hi, steps[:1])
	}
	if finite(true, from) && finite(true, to) { // not at the ends of what a float64 holds
		a.Min, a.Max = from, to
	}
}

// rounding is by how much a value that is meant to be a tick may be off it.
const rounding = 1e-9

// below is the highest of the steps, in any decade, at or below a value; above the lowest at or above it.
func below(v float64, steps []float64) float64 {
	from := decade(v)
	best := from
	for _, s := range steps {
		if from*s <= v*(1+rounding) {
			best = from * s
		}
	}
	return best
}

func above(v float64, steps []float64) float64 {
	from := decade(v)
	for _, s := range steps {
		if from*s >= v*(1-rounding) {
			return from * s
		}
	}
	return 10 * from
}

// decade is the power of ten at or below a value.
func decade(v float64) float64 { return math.Pow(10, math.Floor(math.Log10(v)+rounding)) }

// sparse reports whether a logarithmic axis is so long that powers of ten alone are labelled.
func sparse(lo, hi float64) bool { return math.Log10(hi/lo) > 2.5 }
