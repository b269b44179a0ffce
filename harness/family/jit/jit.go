// SPDX-License-Identifier: Apache-2.0

// Package jit is the family of functions that were written once and run in many places: as a kernel module, as a program of user
// space, as BPF programs that the kernel compiles, and as BPF programs that it interprets. It measures what a call takes in each.
//
// The functions are in bpf/jit. A trial gives each place the same inputs (inputs.go) and holds every result against a second
// implementation in Go (reference.go). Modules, and the setting that turns the compiler off, are for guests only.
package jit

import (
	"context"
	"fmt"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/sys"
)

// Family is the family of functions in many places.
type Family struct{ Loader *bpfobj.Loader }

// The attach methods: where the functions run.
const (
	methodModule     = "module"      // in the kernel, as C
	methodUser       = "user"        // in user space, as C that is compiled as the module is
	methodUserSSE    = "user-sse"    // the same with vector instructions
	methodUserRolled = "user-rolled" // the same without unrolled loops
	methodBPF        = "bpf"         // in the kernel, as BPF that is compiled there
	methodInterpret  = "interpret"   // in the kernel, as BPF that is interpreted
)

// Methods names the places.
func (Family) Methods() []string {
	return []string{methodModule, methodUser, methodUserSSE, methodUserRolled, methodBPF, methodInterpret}
}

// GuestMethods names those that change the whole machine.
func (Family) GuestMethods() []string { return []string{methodModule, methodInterpret} }

// workCall is the only workload.
const workCall = "call"

// Workloads names it.
func (Family) Workloads() []string { return []string{workCall} }

// axisFunction is the only axis.
const axisFunction = "function"

// Axes names it.
func (Family) Axes() []string { return []string{axisFunction} }

// CheckAxis refuses unknown functions.
func (Family) CheckAxis(name, value string) error {
	if name != axisFunction {
		return nil
	}
	_, err := functionOf(value)
	return err
}

// A place is where functions run. It is not safe for concurrent use.
type place interface {
	// open makes a function ready. An error that wraps harness.ErrNotSupported means that this machine has no such place, or the place no
	// such function.
	open(f function, o order) (session, error)
}

// An order says what turns a trial has, as in struct jit_job.
type order struct{ inputs, rounds, turns int }

// A session is a function that is ready to run.
type session interface {
	// run makes the trial that a job says and puts its times and results there.
	run(ctx context.Context, j *abi.JitJob) error
	Close() error
}

// A stage holds the members of a group. Each trial makes its function ready anew.
type stage struct {
	places map[string]place
	absent map[string]error
}

// Prepare opens a function in each place, to see whether this machine has the place.
func (f Family) Prepare(_ context.Context, g harness.Group) (harness.Stage, error) {
	s := &stage{map[string]place{}, map[string]error{}}
	for _, m := range g.Members {
		g.Begin(m)
		p, err := f.placeOf(m.Variant, g.Guest)
		if err != nil {
			s.absent[m.Name] = harness.SetupError(fmt.Errorf("variant %s: %w", m.Name, err))
			continue
		}
		s.places[m.Name] = p
		if err := onCPU(func() error { return tryOpen(p) }); err != nil {
			s.absent[m.Name] = harness.SetupError(fmt.Errorf("variant %s: %w", m.Name, err))
		}
	}
	return s, nil
}

func tryOpen(p place) error {
	s, err := p.open(functions[0], order{1, 1, 1})
	if err != nil {
		return err
	}
	return s.Close()
}

// placeOf is the place that a variant names.
func (f Family) placeOf(v harness.Variant, guest bool) (place, error) {
	switch v.Attach {
	case methodModule:
		return openModule(guest)
	case methodUser:
		return openUser("jit/functions")
	case methodUserSSE:
		return openUser("jit/functions_sse")
	case methodUserRolled:
		return openUser("jit/functions_rolled")
	case methodBPF, methodInterpret:
		return openBPF(f.Loader, v, guest)
	}
	return nil, harness.Known("attach method", v.Attach, f.Methods())
}

// Absent gives the errors of places that this machine lacks.
func (s *stage) Absent() map[string]error { return s.absent }

// Close does nothing.
func (s *stage) Close() error { return nil }

// onCPU runs f on a thread of its own that stays on one CPU and gets no signals, which would end a long call.
func onCPU(f func() error) (err error) {
	sys.OnThread(func() {
		if err = sys.PinHere(); err == nil {
			err = sys.BlockSignals()
		}
		if err == nil {
			err = f()
		}
	})
	return err
}
