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

// schedPatience is how long the kernel may take to put a scheduler in force or to take it out.
const schedPatience = 20 * time.Second

// A schedExtension is a BPF scheduler in force. The kernel takes it out when the link goes: by Close, or with the process.
type schedExtension struct {
	object string
	name   string   // the kernel's, of this instance only
	seq    uint64   // enable_seq while it is in force
	stats  []string // names of its counters

	mu    sync.Mutex
	coll  *ebpf.Collection // nil: closed
	link  link.Link
	ended *schedExit // what was read before closing
}

// newSchedExt loads a scheduler and puts it in force on the whole machine.
func newSchedExt(ctx context.Context, a *bpfobj.Loader, guest bool, v harness.Variant) (scheduler, error) {
	before, err := sys.ReadSchedState(sys.SysSchedExt)
	switch {
	case err != nil:
		return nil, err
	case !guest:
		return nil, harness.Skip("sched_ext would schedule this whole machine: use --target exact or vm")
	case before.State != "disabled":
		return nil, fmt.Errorf("scheduler %s is in force already (state %s): the kernel has room for one", before.Ops, before.State)
	}
	ops, err := bpfobj.OpenSched(v.Object)
	if err != nil {
		return nil, err
	}
	s := &schedExtension{
		object: v.Object,
		name:   bpfobj.SchedName(v.Name, os.Getpid(), before.Seq+1),
		seq:    before.Seq + 1,
		stats:  bpfobj.SchedStatNames(ops.Spec),
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

// explainAttach says why the kernel did not take a scheduler: its own words, where it left any.
func (s *schedExtension) explainAttach(err error) error {
	if exit, ok := s.Exit(); ok {
		return fmt.Errorf("attach %s: %w (%w)", s.object, &ejectedError{Name: s.name, Exit: exit}, err)
	}
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("attach %s: another scheduler is in force: %w", s.object, err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("attach %s: the kernel refuses the combination of flags and callbacks: %w", s.object, err)
	}
	return fmt.Errorf("attach %s: %w", s.object, err)
}

// wait returns when the scheduler is in force, or says why it is not.
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
		return fmt.Errorf("scheduler %s: it is the kernel's %dth, not the %dth: it was out of force in between", s.name, now.Seq, s.seq)
	}
}

// settle waits while the kernel takes a scheduler out: it gives the reason and the dump only after it has given all tasks back.
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
		return fmt.Errorf("check %s: it is closed", s.object)
	}
	now, err := sys.ReadSchedState(sys.SysSchedExt)
	if err != nil {
		return err
	}
	return s.check(now)
}

// Exit reads what the scheduler kept when the kernel ended it.
func (s *schedExtension) Exit() (schedExit, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil && s.coll != nil {
		if v := s.coll.Variables[exitVariable]; v != nil {
			if exit, ok, err := readSchedExit(v); err == nil && ok {
				s.ended = &exit
			}
		}
	}
	if s.ended == nil {
		return schedExit{}, false
	}
	return *s.ended, true
}

// Counters are the scheduler's own, named by the type of its map's key, and the kernel's events, "ev_…".
func (s *schedExtension) Counters() (map[string]uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.coll == nil {
		return nil, fmt.Errorf("read counters of %s: it is closed", s.object)
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
	s.Exit() // while it can still be read
	s.mu.Lock()
	s.coll = nil
	s.mu.Unlock()
	coll.Close()
	return errors.Join(errs...)
}

// waitGone returns when this scheduler is not in force any more.
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
