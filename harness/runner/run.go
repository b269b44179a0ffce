// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/sys"
)

// A Recorder records a run; *record.Writer is one.
type Recorder interface {
	Trial(harness.Trial) error
	Reject(t harness.Trial, reason string) error
	Outcome(record.CellOutcome) error
	Gate(record.Gate) error
	Steal(time.Duration) error
}

// Options configure a run on this machine.
type Options struct {
	Family    harness.Family
	Record    Recorder
	Seed      uint64
	KeptGates Kept // verdicts of gates that earlier runs kept; nil: none
	// Progress shows the progress of the run; may be nil.
	Progress *Progress
	// Patience is how much longer than ten times its budget a trial may take; 0: two minutes.
	Patience time.Duration
	// Steal reads the CPU time that other guests took so far, over all CPUs; nil: from this machine.
	Steal func() (time.Duration, error)
}

// A Summary says how a run went.
type Summary struct {
	Planned  int                  // trials, of cells that can be measured
	Valid    int                  // trials that count
	Rejected int                  // measurements that do not
	Outcomes []record.CellOutcome // one a cell, in the plan's order; of a run that was stopped, of those that were decided
	Kept     []record.Gate        // gates that an earlier run passed, and this one did not check
	Measured time.Duration        // spent measuring
	Wall     time.Duration
}

// Count is how many cells have the outcome.
func (s Summary) Count(o harness.Outcome) int {
	return harness.Count(s.Outcomes, func(c record.CellOutcome) bool { return c.Outcome == o })
}

// Wrong are the cells that make a run fail: failed and invalid ones.
func (s Summary) Wrong() []record.CellOutcome {
	return harness.Filter(s.Outcomes, func(c record.CellOutcome) bool {
		return c.Outcome == harness.OutcomeFailed || c.Outcome == harness.OutcomeInvalid
	})
}

// Share is the part of the wall-clock time that was spent measuring.
func (s Summary) Share() float64 {
	if s.Wall <= 0 {
		return 0
	}
	return s.Measured.Seconds() / s.Wall.Seconds()
}

// Run measures the plan on this machine, as one guest whose reports are function calls. It stops when ctx is done and returns its
// error; trials until then are recorded. When it returns, everything that was set up has been taken down.
func Run(ctx context.Context, p *Plan, o Options) (Summary, error) {
	if o.Steal == nil {
		o.Steal = sys.Steal
	}
	w := &worker{
		plan: p, groups: p.Groups, family: o.Family, seed: o.Seed, patience: cmp.Or(o.Patience, patience), steal: o.Steal,
	}
	before, berr := o.Steal()
	sum, err := newEngine(p, Selection{}, GuestOptions{
		Record: o.Record, KeptGates: o.KeptGates, Seed: o.Seed, Progress: o.Progress, Together: true, unwatched: true,
		Boot: func(ctx context.Context, j Job, to *Guest) error {
			w.send, w.kept = to.take, j.Kept
			if err := w.run(ctx); err != nil {
				return &fatalError{err}
			}
			return to.take(event{End: &ending{}})
		},
	}).run(ctx)
	if after, aerr := o.Steal(); berr == nil && aerr == nil {
		err = errors.Join(err, o.Record.Steal(after-before))
	}
	return sum, err
}

// RunGuests measures the plan in guests: each makes a group, a part or a repeat of one, or all groups. Reports are recorded in the
// plan's order, whichever guest ends first, so that two runs with the same numbers have the same record. If a guest dies, its
// current trial is rejected with the cause, and another guest makes the rest.
func RunGuests(ctx context.Context, p *Plan, selection Selection, o GuestOptions) (Summary, error) {
	return newEngine(p, selection, o).run(ctx)
}

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

// decideTrial returns the outcome of a cell if the error of its trial decides it, with the fate that the trial found if the cell has failed.
// All other errors make the trial invalid.
func decideTrial(r harness.Result, err error) (o record.CellOutcome, decided bool) {
	if !errors.Is(err, harness.ErrNotSupported) && !errors.Is(err, harness.ErrSetup) {
		return o, false
	}
	o, decided = decide("", harness.AtTrial, err)
	if fate, found := r.Fate(); found && o.Outcome == harness.OutcomeFailed {
		o.Fate = fate.String()
	}
	return o, decided
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
