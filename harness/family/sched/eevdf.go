// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"errors"
	"fmt"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// eevdf is the kernel's own scheduler (EEVDF since 6.6). Nothing is loaded: EEVDF runs while sched_ext is disabled.
type eevdf struct {
	seq uint64 // enable_seq when the member was put in force
}

func newEEVDF() (Scheduler, error) {
	now, err := sys.ReadSchedState(sys.SysSchedExt)
	switch {
	case errors.Is(err, harness.ErrNotSupported): // a kernel without sched_ext has no other scheduler
		return eevdf{}, nil
	case err != nil:
		return nil, err
	case now.State != "disabled":
		return nil, fmt.Errorf("scheduler %s is in force (state %s), not the kernel's own", now.Ops, now.State)
	}
	return eevdf{seq: now.Seq}, nil
}

// Name is empty: sched_ext has no name for the kernel's own scheduler.
func (eevdf) Name() string { return "" }

// Exit is always false: the kernel's own scheduler never exits.
func (eevdf) Exit() (SchedExit, bool) { return SchedExit{}, false }

// InForce also detects a scheduler that was enabled and disabled in between.
func (s eevdf) InForce() error {
	now, err := sys.ReadSchedState(sys.SysSchedExt)
	switch {
	case errors.Is(err, harness.ErrNotSupported):
		return nil
	case err != nil:
		return err
	case now.State != "disabled":
		return fmt.Errorf("the kernel's own scheduler: %s is in force instead (state %s)", now.Ops, now.State)
	case now.Seq != s.seq:
		return fmt.Errorf("the kernel's own scheduler: %d others were in force in between", now.Seq-s.seq)
	}
	return nil
}

// Counters is empty: the workload reads the kernel's own counters, which are the same for all schedulers.
func (eevdf) Counters() (map[string]uint64, error) { return nil, nil }

// Close does nothing: no scheduler was loaded.
func (eevdf) Close() error { return nil }
