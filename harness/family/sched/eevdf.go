// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"errors"
	"fmt"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// eevdf is the kernel's own scheduler (EEVDF since 6.6): nothing is loaded, it is in force while no other is.
type eevdf struct {
	seq uint64 // enable_seq when it was put in force
}

func newEEVDF() (scheduler, error) {
	now, err := sys.ReadSchedState(sys.SysSchedExt)
	switch {
	case errors.Is(err, harness.ErrNotSupported): // without sched_ext there is no other
		return eevdf{}, nil
	case err != nil:
		return nil, err
	case now.State != "disabled":
		return nil, fmt.Errorf("scheduler %s is in force (state %s), not the kernel's own", now.Ops, now.State)
	}
	return eevdf{seq: now.Seq}, nil
}

// Name is the kernel's name for it.
func (eevdf) Name() string { return "" }

// Exit is never told of it.
func (eevdf) Exit() (schedExit, bool) { return schedExit{}, false }

// InForce notices also a scheduler that came and went in between.
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

// Counters has nothing: what the kernel counts is the same for all schedulers and read by the workload.
func (eevdf) Counters() (map[string]uint64, error) { return nil, nil }

// Close does nothing: there is nothing to take out.
func (eevdf) Close() error { return nil }
