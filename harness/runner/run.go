// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"context"
	"errors"
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
	Family harness.Family
	Record Recorder
	Seed   uint64
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
		Record: o.Record, Seed: o.Seed, Progress: o.Progress, Together: true, unwatched: true,
		Boot: func(ctx context.Context, _ Job, to *Guest) error {
			w.send = to.take
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
