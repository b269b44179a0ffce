// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/fleet"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/vm"
)

// A tape plays the guests of a run that shards kept, and records those that they lack, if it can run guests.
type tape struct {
	run  fleet.Run
	read func(guest, attempt int) (fleet.Attempt, error)
	boot runner.Boot // nil: no guest is run
	keep func(guest, attempt int, a fleet.Attempt) error
	// partial has the trials of a guest that no shard kept be rejected, instead of ending the run.
	partial bool

	mu   sync.Mutex
	made map[string]int // attempts, by job
}

// guest is a runner.Boot.
func (t *tape) guest(ctx context.Context, j runner.Job, to *runner.Guest) error {
	name := j.Name()
	t.mu.Lock()
	if t.made == nil {
		t.made = map[string]int{}
	}
	attempt := t.made[name]
	t.made[name]++
	t.mu.Unlock()
	guest := t.run.Job(name)
	a, err := t.read(guest, attempt)
	switch {
	case err == nil:
		return play(a, to)
	case errors.Is(err, fs.ErrNotExist) && t.boot != nil:
		return t.record(ctx, j, to, guest, attempt)
	case t.partial:
		return runner.Absent(err)
	}
	return runner.NoGuest(err)
}

// play repeats what a guest reported, and how it ended.
func play(a fleet.Attempt, to *runner.Guest) error {
	if _, err := to.Write(a.Report); err != nil || a.Died == "" {
		return err
	}
	if a.Exit == nil {
		return errors.New(a.Died)
	}
	err := error(&playedDeath{a.Died, a.Exit})
	if a.Exit.Crashed() {
		err = runner.Crash(err)
	}
	return err
}

// A playedDeath is a guest's end as the shard has it.
type playedDeath struct {
	text string
	exit *vm.ExitError
}

func (e *playedDeath) Error() string { return e.text }
func (e *playedDeath) Unwrap() error { return e.exit }

// record runs a guest and keeps what it reported. An error that ends the run is not kept, nor is a guest whose QEMU was killed or failed: that
// ends the run, because another guest in its place would give other digits.
func (t *tape) record(ctx context.Context, j runner.Job, to *runner.Guest, guest, attempt int) error {
	var report bytes.Buffer
	to.Copy(&report)
	began := time.Now()
	err := t.boot(ctx, j, to)
	if runner.IsNoGuest(err) || errors.Is(context.Cause(ctx), context.Canceled) {
		return err
	}
	a := fleet.Attempt{Report: report.Bytes(), Took: time.Since(began)}
	if err != nil {
		a.Died = err.Error()
		if late := context.Cause(ctx); late != nil { // the guest was ended for that
			a.Died = late.Error()
		}
		if errors.As(err, &a.Exit) && a.Exit.Outside() && context.Cause(ctx) == nil {
			return runner.NoGuest(fmt.Errorf("guest %q: %w", j.Name(), err))
		}
	}
	if kerr := t.keep(guest, attempt, a); kerr != nil {
		return runner.NoGuest(kerr)
	}
	return err
}

// nothing is a runner.Recorder for a shard, of which the reports of its guests are kept.
type nothing struct{}

func (nothing) Trial(harness.Trial) error          { return nil }
func (nothing) Reject(harness.Trial, string) error { return nil }
func (nothing) Outcome(record.CellOutcome) error   { return nil }
func (nothing) Gate(record.Gate) error             { return nil }
func (nothing) Steal(time.Duration) error          { return nil }
