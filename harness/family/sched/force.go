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

// readState reads the state of sched_ext. A kernel without sched_ext has it disabled for good.
func readState() (sys.SchedState, error) {
	s, err := sys.ReadSchedState(sys.SysSchedExt)
	if errors.Is(err, harness.ErrNotSupported) {
		return sys.SchedState{State: "disabled"}, nil
	}
	return s, err
}

// force is a scheduler in force, and what the kernel said when it came into force.
type force struct {
	scheduler scheduler
	view      sys.SchedState
}

// enforce puts a member in force.
func (st *stage) enforce(ctx context.Context, m harness.Member) (*force, error) {
	s, err := st.methods.Put(ctx, m.Variant, harness.Site{Seed: st.seed})
	if err != nil {
		return nil, err
	}
	f := &force{scheduler: s}
	if err := s.InForce(); err != nil {
		return nil, errors.Join(fmt.Errorf("put %s in force: %w", m.Name, f.why(err)), s.Close())
	}
	if f.view, err = readState(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return f, nil
}

// broken returns why the scheduler was not in force all the time since it was put there; nil if it was.
func (f *force) broken() error {
	if err := f.scheduler.InForce(); err != nil {
		return f.why(err)
	}
	now, err := readState()
	if err != nil {
		return err
	}
	if now != f.view {
		return f.why(fmt.Errorf("sched_ext was %+v and is %+v", f.view, now))
	}
	return nil
}

// disablePatience is how long the kernel may take to take a scheduler out of force.
const disablePatience = 10 * time.Second

// settled waits until sched_ext is neither coming into force nor going out.
func settled() (sys.SchedState, error) {
	for deadline := time.Now().Add(disablePatience); ; time.Sleep(time.Millisecond) {
		v, err := readState()
		if err != nil || v.State == "enabled" || v.State == "disabled" || time.Now().After(deadline) {
			return v, err
		}
	}
}

// why is the error, or all that the kernel says of the scheduler's exit: several lines, for people. The kernel tells it
// only when it has given all tasks back.
func (f *force) why(err error) error {
	if _, serr := settled(); serr != nil {
		return errors.Join(err, serr)
	}
	if e, ok := f.scheduler.Exit(); ok {
		return fmt.Errorf("the kernel took it out: %s", strings.TrimSpace(e.text()))
	}
	return err
}

// close takes the scheduler out of force and waits until the kernel's own is.
func (f *force) close() error {
	if err := f.scheduler.Close(); err != nil {
		return fmt.Errorf("take scheduler out of force: %w", err)
	}
	v, err := settled()
	if err == nil && v.State != "disabled" {
		err = fmt.Errorf("take scheduler out of force: sched_ext is still %s", v.State)
	}
	return err
}

// told adds to a result what the scheduler has counted itself: all of it as a series, and of one that foretells how a
// task's turn will end, how often it was right.
func (f *force) told(r *harness.Result) {
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
		base := max(slept, turns-slept) // who always foretells the commoner end is right as often
		add(r, harness.Metric{Unit: "accuracy-share", Value: float64(right) / float64(turns)},
			harness.Metric{Unit: "base-share", Value: float64(base) / float64(turns)})
	}
}
