// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
)

// PairedRatio is the median of a/b over the repeats that both have; ok is false if there is none or a divisor is 0.
func PairedRatio(a, b *record.Sample) (s stats.Summary, ok bool) {
	at := map[int]float64{}
	for i, r := range b.Repeats {
		at[r] = b.Values[i]
	}
	var q []float64
	for i, r := range a.Repeats {
		d, have := at[r]
		if !have {
			continue
		}
		if d == 0 {
			return s, false
		}
		q = append(q, a.Values[i]/d)
	}
	if len(q) == 0 {
		return s, false
	}
	return stats.Summarize(q), true
}
