// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"errors"
	"fmt"

	"github.com/kxlab/kxlab/harness"
)

// eevdf is the kernel's own scheduler (EEVDF since 6.6): nothing is loaded, it is in force while no other is.
type eevdf struct {
	seq uint64 // enable_seq when it was put in force
}

func newEEVDF() (harness.Scheduler, error) {
	now, err := readSchedState(sysSchedExt)
	switch {
	case errors.Is(err, harness.ErrNotSupported): // without sched_ext there is no other
		return eevdf{}, nil
	case err != nil:
		return nil, err
	case now.state != "disabled":
		return nil, fmt.Errorf("scheduler %s is in force (state %s), not the kernel's own", now.ops, now.state)
	}
	return eevdf{seq: now.seq}, nil
}

// Name is the kernel's name for it.
func (eevdf) Name() string { return "" }

// Exit is never told of it.
func (eevdf) Exit() (harness.SchedExit, bool) { return harness.SchedExit{}, false }

// InForce notices also a scheduler that came and went in between.
func (s eevdf) InForce() error {
	now, err := readSchedState(sysSchedExt)
	switch {
	case errors.Is(err, harness.ErrNotSupported):
		return nil
	case err != nil:
		return err
	case now.state != "disabled":
		return fmt.Errorf("the kernel's own scheduler: %s is in force instead (state %s)", now.ops, now.state)
	case now.seq != s.seq:
		return fmt.Errorf("the kernel's own scheduler: %d others were in force in between", now.seq-s.seq)
	}
	return nil
}

// Counters has nothing: what the kernel counts is the same for all schedulers and read by the workload.
func (eevdf) Counters() (map[string]uint64, error) { return nil, nil }

// Close does nothing: there is nothing to take out.
func (eevdf) Close() error { return nil }
