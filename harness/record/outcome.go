// SPDX-License-Identifier: Apache-2.0

package record

import (
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// Outcome is what became of a cell, named as by harness.Cell.BenchName. ok is false if the run does not say: the cell is
// none of the run's, or the run ended before it was decided. A run that was killed has not written down which cells were
// measured; bench.txt tells.
func (r *Run) Outcome(cell string) (o CellOutcome, ok bool) {
	for _, o := range r.Env.Outcomes {
		if o.Cell == cell {
			return o, true
		}
	}
	for _, t := range r.Trials {
		if t.Cell.BenchName() == cell {
			return CellOutcome{Cell: cell, Outcome: harness.OutcomeMeasured}, true
		}
	}
	return CellOutcome{}, false
}

// Unmeasured are the cells of which the run knows why they have no number.
func (r *Run) Unmeasured() []CellOutcome {
	var out []CellOutcome
	for _, o := range r.Env.Outcomes {
		if o.Outcome != harness.OutcomeMeasured {
			out = append(out, o)
		}
	}
	return out
}

// Brief is the first line of the reason, with the outcome and where it was decided: "failed at set-up: …".
func (o CellOutcome) Brief() string {
	b := string(o.Outcome)
	if o.Where != "" {
		b += " at " + o.Where
	}
	if first, _, _ := strings.Cut(o.Reason, "\n"); first != "" {
		b += ": " + first
	}
	return b
}
