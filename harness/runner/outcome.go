// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// decide says what an error of a member means for its cells: err of putting it in force or of its gate, nil if both went
// well. decided is false if the cells are to be measured. Here, in decideTrial and in cellState.outcome, and nowhere else,
// outcomes are made.
func decide(class, where string, err error) (o record.CellOutcome, decided bool) {
	switch {
	case errors.Is(err, harness.ErrNotSupported):
		o.Outcome = harness.OutcomeNotSupported
	case class == harness.ClassBroken && err == nil:
		o.Outcome, err = harness.OutcomeFailed, errors.New("it is broken on purpose, and its gate did not notice")
	case class == harness.ClassBroken:
		o.Outcome, err = harness.OutcomeCaught, fmt.Errorf("broken on purpose, and caught: %w", err)
	case err == nil:
		return o, false
	default:
		o.Outcome = harness.OutcomeFailed
	}
	o.Where, o.Reason = where, err.Error()
	if errors.Is(err, harness.ErrSetup) {
		o.Where = harness.AtSetup // also where the gate is the first to put it in force
	}
	return o, true
}

// decideTrial says whether the error of a trial decides its cell. All others make the trial invalid.
func decideTrial(err error) (o record.CellOutcome, decided bool) {
	if !errors.Is(err, harness.ErrNotSupported) && !errors.Is(err, harness.ErrSetup) {
		return o, false
	}
	return decide("", harness.AtTrial, err)
}

// cellState is what is known of a cell so far.
type cellState struct {
	decided  *record.CellOutcome // nil: it is to be measured
	valid    int                 // trials
	rejected int
	last     record.CellOutcome // why and where the last trial was rejected
}

// outcome is what became of the cell, once no trial of it is left to be made. made is false if it was never tried, in a run
// that did not come to its end.
func (s *cellState) outcome(ended bool) (o record.CellOutcome, made bool) {
	switch {
	case s.decided != nil:
		return *s.decided, true
	case s.valid > 0:
		return record.CellOutcome{Outcome: harness.OutcomeMeasured}, true
	case !ended:
		return o, false
	case s.rejected == 0:
		return record.CellOutcome{Outcome: harness.OutcomeInvalid, Where: harness.AtTrial, Reason: "no trial of it was made"}, true
	}
	o = s.last
	o.Outcome = harness.OutcomeInvalid
	if s.rejected > 1 {
		o.Reason = fmt.Sprintf("all %d trials were rejected, the last: %s", s.rejected, o.Reason)
	}
	return o, true
}

// cellStates are those of a run, by the cells' names.
type cellStates map[string]*cellState

func (s cellStates) of(name string) *cellState {
	if s[name] == nil {
		s[name] = &cellState{}
	}
	return s[name]
}

// firstLine cuts a reason that other cells have as well: its other lines, such as a verifier's log, are kept once.
func firstLine(reason string) string {
	first, _, _ := strings.Cut(reason, "\n")
	return first
}
