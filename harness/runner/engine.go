// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// A Boot runs a job in a guest, which calls Inside and writes its reports to the Guest. It returns when the guest has exited; the
// error is the cause if the guest died.
type Boot func(ctx context.Context, j Job, to *Guest) error

// NoGuest marks an error of a Boot that could not start a guest. It ends the run, while a guest's death costs a trial.
func NoGuest(err error) error { return &fatalError{err} }

// IsNoGuest reports whether an error was marked by NoGuest.
func IsNoGuest(err error) bool {
	var fatal *fatalError
	return errors.As(err, &fatal)
}

// A fatalError ends the run.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

// Crash marks an error of a Boot whose guest died because its kernel crashed: a member in whose set-up or gate two guests crash has failed.
func Crash(err error) error { return &crashError{err} }

// A crashError is the death of a guest by a crash of its kernel.
type crashError struct{ err error }

func (e *crashError) Error() string { return e.err.Error() }
func (e *crashError) Unwrap() error { return e.err }

// Absent marks an error of a Boot that plays kept reports and has none of the job: its trials are rejected for that, and no other guest is tried.
func Absent(err error) error { return &absentError{err} }

// An absentError says that no guest of a job is there.
type absentError struct{ err error }

func (e *absentError) Error() string { return e.err.Error() }
func (e *absentError) Unwrap() error { return e.err }

func isAbsent(err error) bool {
	var absent *absentError
	return errors.As(err, &absent)
}

// GuestOptions configure a run in guests.
type GuestOptions struct {
	Record Recorder
	Seed   uint64
	// Parallel is how many guests run side by side; 0: 1. More than one is for a target whose numbers do not depend on
	// the machine's load.
	Parallel int
	// Parts is into how many jobs a group is cut; 0: 1.
	Parts int
	// Together runs all groups in one guest, one after another, where booting takes long; then Parallel, Parts and EachRepeat
	// have no effect.
	Together bool
	// EachRepeat gives every repeat of a group a guest of its own, booted with another seed.
	EachRepeat bool
	// Gates is how many guests check the gates of a group for all others; 0: each guest checks its own members.
	Gates int
	// KeptGates are the verdicts of gates that earlier runs kept; nil: none.
	KeptGates Kept
	// Objects are BPF objects that the program does not have, by their names.
	Objects map[string][]byte
	// Patience is how much longer than ten times its budget a trial may take by this machine's clock before its guest is killed;
	// 0: see watch.
	Patience time.Duration
	Progress *Progress
	Boot     Boot
	// Turn, if not nil, returns when the next guest may run: that of a job that checks gates (repeat EveryRepeat), or makes a repeat. The
	// end of the turn is called when the job is done.
	Turn func(ctx context.Context, repeat int) (end func(), err error)
	// Made, if not nil, is called when all trials up to a repeat, and the gates, are recorded. It must not block.
	Made func(repeats int)

	// Died, if not nil, says what a trial yields whose guest died in it; ok is false if the death says nothing about the variant.
	Died func(v harness.Variant, c harness.Cell, death error) (res harness.Result, ok bool, err error)

	// Only, if not nil, chooses the jobs that are run, by their names (Tasks); cells of others get no outcome.
	Only func(job string) bool

	unwatched bool // on the host, where no watch ends the worker
}

// newEngine returns an engine for a plan.
func newEngine(p *Plan, selection Selection, o GuestOptions) *engine {
	o.Progress = cmp.Or(o.Progress, NewProgress(io.Discard, 0))
	return &engine{
		GuestOptions: o, plan: p, selection: selection, steps: map[Mark]Step{}, finished: map[Mark]bool{}, killed: map[string]int{}, cells: cellStates{},
		passed: map[string]bool{},
	}
}

// An engine has guests make the trials of a plan, and records what they report. The host counts as one guest: see Run. The lock
// guards all but the options and the plan.
type engine struct {
	GuestOptions
	Summary
	plan      *Plan
	selection Selection
	steps     map[Mark]Step

	mu       sync.Mutex
	pieces   []*piece
	at       int // the first piece that is not over and recorded
	order    int // trials recorded, rejected ones among them
	cells    cellStates
	finished map[Mark]bool   // steps that are over
	killed   map[string]int  // by cell: guests in a row that died in a trial of it
	passed   map[string]bool // gates that were passed, by gateName
	kept     keptGates
	failed   error // to record
}

// run makes all trials and decides the outcome of each cell.
func (r *engine) run(ctx context.Context) (Summary, error) {
	started := time.Now()
	err := r.findKept()
	if err != nil {
		return r.Summary, err
	}
	r.pieces = append(r.gatePieces(), r.trialPieces()...)
	var some []*piece
	if r.Only != nil {
		r.pieces = slices.DeleteFunc(r.pieces, func(s *piece) bool { return !r.Only(s.job.Name()) })
		some = r.pieces
	}
	r.Progress.begin(r.plan, some)
	defer r.Progress.end()
	defer r.Progress.tick()()
	err = r.runPieces(ctx, r.pieces)
	err = cmp.Or(err, r.conclude(err == nil && r.Only == nil))
	r.Wall = time.Since(started)
	return r.Summary, err
}

// conclude decides the open outcomes once no more trials will be made, and sums up. ended is false if the run was stopped.
func (r *engine) conclude(ended bool) error {
	for _, g := range r.plan.Groups {
		for _, b := range g.Blocks {
			for _, c := range b.Cells {
				name := c.BenchName()
				s := r.cells.of(name)
				if s.decided == nil || s.decided.Outcome == harness.OutcomeInvalid || s.valid > 0 {
					r.Planned += b.Repeats
				}
				o, made := s.outcome(ended)
				if !made {
					continue
				}
				o.Cell = name
				r.Outcomes = append(r.Outcomes, o)
				if s.decided != nil {
					continue // it is recorded
				}
				if err := r.Record.Outcome(o); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// maxDeaths is how many guests of a job may die in a row before a trial begins; then the group's trials are given up.
const maxDeaths = 2

// piece runs one job to its end, in several guests if some die.
func (r *engine) piece(ctx context.Context, s *piece) error {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		s.over = true
		r.flush()
	}()
	if s.job.Work == WorkGates {
		return r.checkGates(ctx, s)
	}
	if r.allFailed(s) {
		return r.failure()
	}
	s.again = map[Mark]bool{}
	crashed := "" // the member in whose set-up or gate the guest before crashed
	for deaths := 0; ; {
		if r.dropKillers(s); !s.more() {
			return r.failure()
		}
		made := len(s.job.Done)
		g, died, err := r.boot(ctx, s)
		if err != nil {
			return err
		}
		switch {
		case died == nil && g.end.Spent && s.more():
		case died == nil:
			return r.failure()
		case isAbsent(died):
			g.giveUp(died.Error())
		case g.current != nil && g.mourn(died):
		case g.current != nil:
			r.mu.Lock()
			r.killed[g.current.Cell]++
			r.mu.Unlock()
			g.lose(*g.current, died.Error())
		case g.crashedAt(died) != "" && g.crashedAt(died) == crashed:
			g.fail(died)
		case len(s.job.Done) == made:
			if deaths++; deaths == maxDeaths {
				g.giveUp("the guests died before they began a trial: " + died.Error())
			}
		}
		crashed = ""
		if died != nil {
			crashed = g.crashedAt(died)
		}
		if len(s.job.Done) > made {
			deaths = 0
		}
		if err := r.failure(); err != nil {
			return err
		}
		if !s.more() {
			return nil
		}
	}
}

// maxKilled is how many guests may die in a row in trials of a cell; then its other trials are given up.
const maxKilled = 2

// dropKillers gives up the trials of cells in whose trials guests died: each may cost the time after which a guest counts as hung.
func (r *engine) dropKillers(s *piece) {
	for _, st := range s.steps {
		m := st.mark()
		r.mu.Lock()
		kills := r.killed[m.Cell] >= maxKilled
		r.mu.Unlock()
		if kills && s.job.includes(st) {
			(&Guest{run: r, piece: s}).lose(m, fmt.Sprintf("given up: %d guests in a row died in a trial of this cell", maxKilled))
		}
	}
}

// boot runs a job in one guest. died is the cause if the guest died, nil if it did all that it was to do; err ends the run.
func (r *engine) boot(ctx context.Context, s *piece) (g *Guest, died, err error) {
	g = &Guest{run: r, piece: s}
	wctx := ctx
	if !r.unwatched {
		g.watch, wctx = newWatch(ctx, r.plan.Target, r.Patience)
	}
	died = r.Boot(wctx, s.job, g)
	if late := g.watch.end(); late != nil {
		died = late
	}
	var fatal *fatalError
	ends := errors.As(died, &fatal)
	switch {
	case ends && (ctx.Err() == nil || errors.Is(fatal.err, ctx.Err())):
		return g, nil, fatal.err
	case ctx.Err() != nil:
		return g, nil, ctx.Err()
	case died == nil && g.end == nil:
		died = errors.New("the guest exited without a final report")
	case died == nil && g.end.Error != "":
		return g, nil, fmt.Errorf("%s: in the guest: %s", s.name, g.end.Error)
	}
	return g, died, nil
}

// giveUp rejects the trials that are left of the group that was being set up, or of all groups if none was.
func (g *Guest) giveUp(reason string) {
	for _, st := range g.piece.steps {
		m := st.mark()
		if !g.piece.job.includes(st) || g.group != nil && g.piece.groups[m] != *g.group {
			continue
		}
		g.lose(m, reason)
		reason = firstLine(reason) // only the first has the console
	}
}

func (r *engine) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}
