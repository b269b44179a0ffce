// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kxlab/kxlab/harness"
	programs "github.com/kxlab/kxlab/harness/command"
	"github.com/kxlab/kxlab/harness/sys"
)

// A schedProgram is a scheduler that the user's program attached. It is in force while sched_ext reports the same name and the same count of
// enabled schedulers as when the program became ready. The kernel disables the scheduler when the program ends.
type schedProgram struct {
	program *programs.Command // nil: closed
	state   sys.SchedState    // while the scheduler is in force
}

// newSchedProgram runs the program of a variant, and returns when its scheduler is in force on the whole machine.
func newSchedProgram(ctx context.Context, guest bool, v harness.Variant) (_ Scheduler, err error) {
	if !guest {
		return nil, harness.Skip("sched_ext would schedule this whole machine: use --target exact or vm")
	}
	before, err := sys.ReadSchedState(sys.SysSchedExt)
	switch {
	case err != nil:
		return nil, err
	case before.State != "disabled":
		return nil, fmt.Errorf("scheduler %s is in force already (state %s): the kernel has room for one", before.Ops, before.State)
	case v.Command == nil:
		return nil, errors.New("attach: command without a command")
	}
	s := &schedProgram{}
	s.program, err = programs.New(*v.Command, programs.Options{Ready: func() error {
		now, err := sys.ReadSchedState(sys.SysSchedExt)
		if err == nil && (now.State != "enabled" || now.Seq <= before.Seq) {
			err = fmt.Errorf("sched_ext has no scheduler in force (state %s)", now.State)
		}
		return err
	}})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.program.Up(ctx); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(schedPatience); ; time.Sleep(10 * time.Millisecond) {
		if s.state, err = sys.ReadSchedState(sys.SysSchedExt); err != nil {
			return nil, err
		}
		if s.state.State == "enabled" && s.state.Seq > before.Seq {
			return s, nil
		}
		if err := s.program.Fault(); err != nil {
			return nil, err
		}
		if s.state.State != "enabling" || time.Now().After(deadline) {
			return nil, fmt.Errorf("its program is ready, and sched_ext is %s", s.state.State)
		}
	}
}

func (s *schedProgram) Name() string { return s.state.Ops }

func (s *schedProgram) InForce() error {
	if s.program == nil {
		return errors.New("check scheduler: its program is closed")
	}
	now, err := sys.ReadSchedState(sys.SysSchedExt)
	if err != nil {
		return err
	}
	if now == s.state {
		return s.program.Fault()
	}
	for deadline := time.Now().Add(graceOfProgram); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err := s.program.Fault(); err != nil { // it says why
			return fmt.Errorf("scheduler %s: sched_ext is %s: %w", s.state.Ops, now.State, err)
		}
	}
	return fmt.Errorf("scheduler %s: sched_ext is %s, scheduler %q, number %d and was number %d", s.state.Ops, now.State, now.Ops, now.Seq, s.state.Seq)
}

// graceOfProgram is the time in which a program that notices that its scheduler was ended prints why and ends.
const graceOfProgram = time.Second

// Exit is none: only the program has the kernel's report, and may print it.
func (s *schedProgram) Exit() (SchedExit, bool) { return SchedExit{}, false }

// Counters are the kernel's events, "ev_…".
func (s *schedProgram) Counters() (map[string]uint64, error) {
	return sys.ReadSchedEvents(sys.SysSchedExt), nil
}

// Close ends the program, and returns when its scheduler is no longer in force. A second call does nothing.
func (s *schedProgram) Close() error {
	if s.program == nil {
		return nil
	}
	err := s.program.Close()
	s.program = nil
	for deadline := time.Now().Add(schedPatience); ; time.Sleep(10 * time.Millisecond) {
		now, rerr := sys.ReadSchedState(sys.SysSchedExt)
		if rerr != nil || now.State == "disabled" {
			return errors.Join(err, rerr)
		}
		if time.Now().After(deadline) {
			return errors.Join(err, fmt.Errorf("take scheduler %s out of force: still %s after %v", now.Ops, now.State, schedPatience))
		}
	}
}
