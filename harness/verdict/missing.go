// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// A Missing is a cell and unit that the old run measured and the new one did not.
type Missing struct {
	Cell harness.Cell `json:"-"`
	Name string       `json:"cell"`
	Unit string       `json:"unit"`
	// Outcome is what became of the cell in the new run, Where that was decided, and Reason the first line of why. They are
	// empty if the new run does not have the cell at all.
	Outcome harness.Outcome `json:"outcome,omitempty"`
	Where   string          `json:"where,omitempty"`
	Reason  string          `json:"reason"`
}

// newMissing says why a new run lacks a sample.
func newMissing(s *record.Sample, new *record.Run) Missing {
	m := Missing{Cell: s.Cell, Name: s.Cell.BenchName(), Unit: s.Unit}
	o, ok := new.Outcome(m.Name)
	switch {
	case !ok && !new.Env.Complete:
		m.Reason = "the new run ended before the cell was decided"
	case !ok:
		m.Reason = "the new run does not have the cell"
	case o.Outcome == harness.OutcomeMeasured:
		m.Outcome, m.Reason = o.Outcome, "the cell was measured, but not in this unit"
	default:
		m.Outcome, m.Where = o.Outcome, o.Where
		m.Reason, _, _ = strings.Cut(WithoutVariant(o.Reason, s.Cell.Variant), "\n")
	}
	return m
}

// Why is the outcome and the reason, in one line.
func (m Missing) Why() string {
	if m.Outcome == "" {
		return m.Reason
	}
	return record.CellOutcome{Outcome: m.Outcome, Where: m.Where, Reason: m.Reason}.Brief()
}

func (m Missing) String() string {
	return fmt.Sprintf("%s %s: %s", m.Name, m.Unit, m.Why())
}

// counts tells whether what was measured of a cell is its number: not if it failed, such as at its gate under another seed.
func counts(r *record.Run, cell string) bool {
	for _, o := range r.Env.Outcomes {
		if o.Cell == cell {
			return o.Outcome == harness.OutcomeMeasured
		}
	}
	return true
}

// isAA tells whether a cell is the second of an A/A pair. It shows a run's own noise only, and is another variant's where
// other variants took part, so nobody misses it.
func isAA(c harness.Cell) bool { return strings.HasSuffix(c.Variant, harness.SuffixAA) }
