// SPDX-License-Identifier: Apache-2.0

package record

import "github.com/kxlab/kxlab/harness"

// A Sample is what was measured of one cell in one unit, one value a repeat.
type Sample struct {
	Cell    harness.Cell
	Unit    string
	Values  []float64
	Repeats []int // the repeat of each value
	Beyond  int   // how many of the values are bounds only (harness.Metric.Beyond)
}

// Samples groups the run's trials by cell and unit, in the order in which they first appear.
func (r *Run) Samples() []*Sample {
	type id struct{ cell, unit string }
	at := map[id]*Sample{}
	var out []*Sample
	for _, t := range r.Trials {
		name := t.Cell.BenchName()
		for _, m := range t.Result.Metrics {
			s := at[id{name, m.Unit}]
			if s == nil {
				s = &Sample{Cell: t.Cell, Unit: m.Unit}
				at[id{name, m.Unit}] = s
				out = append(out, s)
			}
			s.Values = append(s.Values, m.Value)
			s.Repeats = append(s.Repeats, t.Repeat)
			if m.Beyond {
				s.Beyond++
			}
		}
	}
	return out
}
