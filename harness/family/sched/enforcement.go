// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// readState reads the state of sched_ext. A kernel without sched_ext reads as disabled.
func readState() (sys.SchedState, error) {
	s, err := sys.ReadSchedState(sys.SysSchedExt)
	if errors.Is(err, harness.ErrNotSupported) {
		return sys.SchedState{State: "disabled"}, nil
	}
	return s, err
}

// An enforcement is a scheduler in force and the state of sched_ext when the scheduler was enabled.
type enforcement struct {
	scheduler Scheduler
	state     sys.SchedState
}

// enforce puts a member in force.
func (st *stage) enforce(ctx context.Context, m harness.Member) (*enforcement, error) {
	s, err := st.methods.Put(ctx, m.Variant, harness.Site{Seed: st.seed})
	if err != nil {
		return nil, err
	}
	f := &enforcement{scheduler: s}
	if err := s.InForce(); err != nil {
		return nil, errors.Join(fmt.Errorf("put %s in force: %w", m.Name, f.explain(err)), s.Close())
	}
	if f.state, err = readState(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return f, nil
}

// checkInForce returns nil if the scheduler has been in force all the time since enforce, else the reason.
func (f *enforcement) checkInForce() error {
	if err := f.scheduler.InForce(); err != nil {
		return f.explain(err)
	}
	now, err := readState()
	if err != nil {
		return err
	}
	if now != f.state {
		return f.explain(fmt.Errorf("sched_ext was %+v and is %+v", f.state, now))
	}
	return nil
}

// disablePatience is the longest time that the kernel may need to disable a scheduler.
const disablePatience = 10 * time.Second

// awaitSettled waits until sched_ext is neither enabling nor disabling, at most disablePatience.
func awaitSettled() (sys.SchedState, error) {
	for deadline := time.Now().Add(disablePatience); ; time.Sleep(time.Millisecond) {
		v, err := readState()
		if err != nil || v.State == "enabled" || v.State == "disabled" || time.Now().After(deadline) {
			return v, err
		}
	}
}

// explain returns the kernel's report of the scheduler's exit (several lines), or err if there is none. The kernel
// writes the report only after it has returned all tasks to its own scheduler.
func (f *enforcement) explain(err error) error {
	if _, serr := awaitSettled(); serr != nil {
		return errors.Join(err, serr)
	}
	if e, ok := f.scheduler.Exit(); ok {
		return fmt.Errorf("the kernel ejected the scheduler: %s", strings.TrimSpace(e.Text()))
	}
	return err
}

// close disables the scheduler and waits until the kernel's own is in force.
func (f *enforcement) close() error {
	if err := f.scheduler.Close(); err != nil {
		return fmt.Errorf("take scheduler out of force: %w", err)
	}
	v, err := awaitSettled()
	if err == nil && v.State != "disabled" {
		err = fmt.Errorf("take scheduler out of force: sched_ext is still %s", v.State)
	}
	return err
}

// addCounters adds the scheduler's own counters to a result, as a series. A scheduler that predicts whether a task's
// run ends in sleep also gets the accuracy of its predictions.
func (f *enforcement) addCounters(r *harness.Result) {
	count, err := f.scheduler.Counters()
	if err != nil || len(count) == 0 {
		return
	}
	s := harness.Series{Name: "counters", Unit: "count"}
	names := slices.Sorted(maps.Keys(count))
	for _, name := range names {
		s.Y = append(s.Y, float64(count[name]))
	}
	s.Notes = strings.Join(names, " ")
	r.Series = append(r.Series, s)
	turns, slept := count["turns"], count["slept"]
	if right, ok := count["foretold"]; ok && turns > 0 {
		base := max(slept, turns-slept) // the accuracy of always predicting the more frequent end
		add(r, harness.Metric{Unit: "accuracy-share", Value: float64(right) / float64(turns)},
			harness.Metric{Unit: "base-share", Value: float64(base) / float64(turns)})
	}
}
