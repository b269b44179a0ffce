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

// A Recorder writes down what happens; *record.Writer is one.
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
	// Progress shows what is going on; nil: nothing is shown.
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
	n := 0
	for _, c := range s.Outcomes {
		if c.Outcome == o {
			n++
		}
	}
	return n
}

// Wrong are the cells that make a run fail: failed and invalid ones.
func (s Summary) Wrong() []record.CellOutcome {
	var out []record.CellOutcome
	for _, c := range s.Outcomes {
		if c.Outcome == harness.OutcomeFailed || c.Outcome == harness.OutcomeInvalid {
			out = append(out, c)
		}
	}
	return out
}

// Share is the part of the wall-clock time that was spent measuring.
func (s Summary) Share() float64 {
	if s.Wall <= 0 {
		return 0
	}
	return s.Measured.Seconds() / s.Wall.Seconds()
}

// Run measures the plan on this machine: as one guest that makes all trials, whose reports come by function call. It stops
// when ctx is done and returns its error; what was measured until then is recorded. In any case everything that was set up
// has been taken down when it returns.
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

// RunGuests measures the plan in guests, a group, a part of one or a repeat of either in each. What guests report is recorded
// in the plan's order whichever ends first, so that two runs with the same numbers have the same record. A guest that dies
// costs the trial that it was making, which is rejected with the cause; another guest goes on with the rest.
func RunGuests(ctx context.Context, p *Plan, selection Selection, o GuestOptions) (Summary, error) {
	return newEngine(p, selection, o).run(ctx)
}
