// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// A Missing is a cell and unit with a value in the old run only.
type Missing struct {
	Cell harness.Cell `json:"-"`
	Name string       `json:"cell"`
	Unit string       `json:"unit"`
	// Outcome is that of the cell in the new run, Where it was decided, and Reason the first line of why. Outcome and Where are
	// empty if the new run does not have the cell.
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

// counts reports whether the values of a cell count: not if it failed, such as at its gate under another seed.
func counts(r *record.Run, cell string) bool {
	o, decided := harness.Find(r.Env.Outcomes, func(o record.CellOutcome) bool { return o.Cell == cell })
	return !decided || o.Outcome == harness.OutcomeMeasured
}

// isAA reports whether a cell is the second of an A/A pair: it shows the run's noise only, and does not count as missing.
func isAA(c harness.Cell) bool { return strings.HasSuffix(c.Variant, harness.SuffixAA) }
