// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// The most that can be read of a plot: variants, values of its axis, and both together.
const (
	mostVariants = 80
	mostValues   = 40
	mostColumns  = 16 // of a heat map, which writes into each
	mostPoints   = 300
	leastValues  = 5 // of many variants
)

// legible picks of a plot's samples as many as can be read: the first variants, and values of the axis at even distances in their order,
// the least and the largest among them. The remarks say how many are left out.
func legible(chosen []*record.Sample, spec harness.PlotSpec) (kept []*record.Sample, remarks []string) {
	variants := distinct(chosen, func(s *record.Sample) string { return s.Cell.Variant })
	shown := variants[:min(len(variants), mostVariants)]
	if left := len(variants) - len(shown); left > 0 {
		remarks = append(remarks, fmt.Sprintf("%d of %d variants", left, len(variants)))
	}
	at := func(s *record.Sample) string { return s.Cell.Axis(spec.X) }
	values := distinct(chosen, at)
	slices.SortStableFunc(values, byNumber)
	most := max(leastValues, min(mostValues, mostPoints/len(shown)))
	if spec.Kind == harness.PlotHeatmap {
		most = min(most, mostColumns)
	}
	even := values
	if n := len(values); n > most {
		even = nil
		for i := range most {
			even = append(even, values[i*(n-1)/(most-1)])
		}
		remarks = append(remarks, fmt.Sprintf("%d of %d values of %s", n-most, n, spec.X))
	}
	if len(remarks) == 0 {
		return chosen, nil
	}
	in := func(list []string) map[string]bool {
		set := map[string]bool{}
		for _, one := range list {
			set[one] = true
		}
		return set
	}
	some, places := in(shown), in(even)
	return harness.Filter(chosen, func(s *record.Sample) bool { return some[s.Cell.Variant] && places[at(s)] }), remarks
}

// distinct are the words of samples in the order in which they first appear.
func distinct(samples []*record.Sample, word func(*record.Sample) string) (out []string) {
	seen := map[string]bool{}
	for _, s := range samples {
		if w := word(s); !seen[w] {
			seen[w] = true
			out = append(out, w)
		}
	}
	return out
}

// byNumber orders values of an axis: numbers by their size, words by their letters.
func byNumber(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(a, b)
}
