// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// decide returns the outcome of a member's cells for an error of set-up or gate, nil if both went well. decided is false if the
// cells are to be measured. Outcomes are made here, in decideTrial and in cellState.outcome, and nowhere else.
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

// decideTrial returns the outcome of a cell if the error of its trial decides it. All other errors make the trial invalid.
func decideTrial(err error) (o record.CellOutcome, decided bool) {
	if !errors.Is(err, harness.ErrNotSupported) && !errors.Is(err, harness.ErrSetup) {
		return o, false
	}
	return decide("", harness.AtTrial, err)
}

// cellState counts a cell's trials.
type cellState struct {
	decided  *record.CellOutcome // nil: it is to be measured
	valid    int                 // trials
	rejected int
	last     record.CellOutcome // why and where the last trial was rejected
}

// outcome is the outcome of the cell once no trial of it is left to be made. made is false if the run was stopped before any.
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

// cellStates are the states of a run's cells by their names.
type cellStates map[string]*cellState

func (s cellStates) of(name string) *cellState {
	if s[name] == nil {
		s[name] = &cellState{}
	}
	return s[name]
}

// firstLine is a reason without its other lines, such as a verifier's log, which only one cell keeps.
func firstLine(reason string) string {
	first, _, _ := strings.Cut(reason, "\n")
	return first
}
