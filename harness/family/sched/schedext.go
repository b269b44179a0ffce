// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/sys"
)

// schedPatience is the longest time that the kernel may need to enable or disable a scheduler.
const schedPatience = 20 * time.Second

// A schedExtension is a BPF scheduler in force. The kernel disables the scheduler when its link is closed: by Close,
// or when the process exits.
type schedExtension struct {
	object string
	name   string   // the name in the kernel, unique for each instance
	seq    uint64   // enable_seq while the scheduler is in force
	stats  []string // names of the scheduler's counters
	ending string   // name of the variable with the exit reason

	mu   sync.Mutex
	coll *ebpf.Collection // nil: closed
	link link.Link
	exit *SchedExit // nil: not read, or no exit yet
}

// newSchedExt loads a scheduler and puts it in force on the whole machine.
func newSchedExt(ctx context.Context, a *bpfobj.Loader, guest bool, v harness.Variant) (Scheduler, error) {
	return newSchedExtFrom(ctx, a, guest, v, bpfobj.OpenSched)
}

// newSchedExtFrom is newSchedExt with objects from elsewhere.
func newSchedExtFrom(ctx context.Context, a *bpfobj.Loader, guest bool, v harness.Variant, open func(object string) (*bpfobj.OpsStruct, error)) (Scheduler, error) {
	if !guest {
		return nil, harness.Skip("sched_ext would schedule this whole machine: use --target exact or vm")
	}
	before, err := sys.ReadSchedState(sys.SysSchedExt)
	switch {
	case err != nil:
		return nil, err
	case before.State != "disabled":
		return nil, fmt.Errorf("scheduler %s is in force already (state %s): the kernel has room for one", before.Ops, before.State)
	}
	ops, err := open(v.Object)
	if err != nil {
		return nil, err
	}
	s := &schedExtension{
		object: v.Object,
		name:   bpfobj.SchedName(v.Name, os.Getpid(), before.Seq+1),
		seq:    before.Seq + 1,
		stats:  bpfobj.SchedStatNames(ops.Spec),
		ending: bpfobj.ExitVariable(ops.Spec),
	}
	var m *ebpf.Map
	if s.coll, m, err = bpfobj.LoadSched(a.Types, ops, s.name, v.Knobs); err != nil {
		return nil, err
	}
	if s.link, err = link.AttachStructOps(link.StructOpsOptions{Map: m}); err != nil {
		return nil, errors.Join(s.explainAttach(err), s.Close())
	}
	if err := s.wait(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	a.Log(fmt.Sprintf("%s: %s in force as %s", v.Name, v.Object, s.name))
	return s, nil
}

// explainAttach returns the reason that the kernel refused a scheduler, with the kernel's exit report if there is one.
func (s *schedExtension) explainAttach(err error) error {
	if exit, ok := s.Exit(); ok {
		return fmt.Errorf("attach %s: %w: %w", s.object, err, &ejectedError{Name: s.name, Exit: exit})
	}
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("attach %s: another scheduler is in force: %w", s.object, err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("attach %s: the kernel refuses the combination of flags and callbacks: %w", s.object, err)
	}
	return fmt.Errorf("attach %s: %w", s.object, err)
}

// wait returns nil when the scheduler is in force, else the reason.
func (s *schedExtension) wait(ctx context.Context) error {
	for deadline := time.Now().Add(schedPatience); ; {
		now, err := sys.ReadSchedState(sys.SysSchedExt)
		if err != nil {
			return err
		}
		if now.State != "enabling" || time.Now().After(deadline) {
			return s.check(now)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", s.object, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// check compares what is in force with this scheduler.
func (s *schedExtension) check(now sys.SchedState) error {
	if now.State == "enabled" && now.Ops == s.name && now.Seq == s.seq {
		return nil
	}
	now, err := s.settle(now)
	if err != nil {
		return err
	}
	if exit, ok := s.Exit(); ok {
		return &ejectedError{Name: s.name, Exit: exit}
	}
	switch {
	case now.State != "enabled":
		return fmt.Errorf("scheduler %s: sched_ext is %s, and the scheduler left no reason", s.name, now.State)
	case now.Ops != s.name:
		return fmt.Errorf("scheduler %s: %s is in force instead", s.name, now.Ops)
	default:
		return fmt.Errorf("scheduler %s: enable_seq is %d, want %d: the scheduler was disabled in between", s.name, now.Seq, s.seq)
	}
}

// settle waits while the kernel disables a scheduler: the exit reason and the dump are written only after all tasks
// have returned to the kernel's own scheduler.
func (s *schedExtension) settle(now sys.SchedState) (sys.SchedState, error) {
	var err error
	for deadline := time.Now().Add(schedPatience); err == nil && now.State == "disabling" && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
		now, err = sys.ReadSchedState(sys.SysSchedExt)
	}
	return now, err
}

func (s *schedExtension) Name() string { return s.name }

func (s *schedExtension) InForce() error {
	s.mu.Lock()
	closed := s.coll == nil
	s.mu.Unlock()
	if closed {
		return fmt.Errorf("check %s: the scheduler is closed", s.object)
	}
	now, err := sys.ReadSchedState(sys.SysSchedExt)
	if err != nil {
		return err
	}
	return s.check(now)
}

// Exit reads the exit report that the scheduler stored when the kernel ended it.
func (s *schedExtension) Exit() (SchedExit, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exit == nil && s.coll != nil {
		if v := s.coll.Variables[s.ending]; v != nil {
			if exit, ok, err := readSchedExit(v); err == nil && ok {
				s.exit = &exit
			}
		}
	}
	if s.exit == nil {
		return SchedExit{}, false
	}
	return *s.exit, true
}

// Counters are the scheduler's own, named by the type of its map's key, and the kernel's events, "ev_…".
func (s *schedExtension) Counters() (map[string]uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.coll == nil {
		return nil, fmt.Errorf("read counters of %s: the scheduler is closed", s.object)
	}
	counts := sys.ReadSchedEvents(sys.SysSchedExt)
	if counts == nil {
		counts = map[string]uint64{}
	}
	m := s.coll.Maps["stats"]
	if m == nil {
		return counts, nil
	}
	for i, name := range s.stats {
		var perCPU []uint64
		if err := m.Lookup(uint32(i), &perCPU); err != nil {
			return nil, fmt.Errorf("read counter %s of %s: %w", name, s.object, err)
		}
		for _, n := range perCPU {
			counts[name] += n
		}
	}
	return counts, nil
}

// Close takes the scheduler out and returns when the kernel's own is in force. A second call does nothing.
func (s *schedExtension) Close() error {
	s.mu.Lock()
	coll, l := s.coll, s.link
	s.mu.Unlock()
	if coll == nil {
		return nil
	}
	var errs []error
	if l != nil {
		if err := l.Close(); err != nil {
			errs = append(errs, fmt.Errorf("detach %s: %w", s.object, err))
		}
		errs = append(errs, s.waitGone())
	}
	s.Exit() // before the map closes
	s.mu.Lock()
	s.coll = nil
	s.mu.Unlock()
	coll.Close()
	return errors.Join(errs...)
}

// waitGone returns when this scheduler is no longer in force.
func (s *schedExtension) waitGone() error {
	for deadline := time.Now().Add(schedPatience); ; time.Sleep(10 * time.Millisecond) {
		now, err := sys.ReadSchedState(sys.SysSchedExt)
		if err != nil || now.State == "disabled" || now.State != "disabling" && now.Ops != s.name {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("detach %s: still %s after %v", s.object, now.State, schedPatience)
		}
	}
}
