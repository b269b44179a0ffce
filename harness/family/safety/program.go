// SPDX-License-Identifier: Apache-2.0

package safety

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// tagPrefix begins the tags of a program that are expectations (bpf/include/safety.bpf.h).
const tagPrefix = "expect:"

// openFault reads a fault's program with the expectations that it carries.
func openFault(v harness.Variant) (*ebpf.CollectionSpec, []expectation, error) {
	spec, err := bpf.Open(v.Object)
	if err != nil {
		return nil, nil, err
	}
	if len(spec.Programs) != 1 {
		return nil, nil, fmt.Errorf("read %s: %s, want one program a fault", v.Object, harness.Plural(len(spec.Programs), "program"))
	}
	var texts []string
	for _, p := range spec.Programs {
		f := btf.FuncMetadata(&p.Instructions[0])
		if f == nil {
			return nil, nil, fmt.Errorf("read %s: it has no types: compile it with -g", v.Object)
		}
		for _, tag := range f.Tags {
			if text, ok := strings.CutPrefix(tag, tagPrefix); ok {
				texts = append(texts, text)
			}
		}
	}
	all, err := parseExpectations(texts)
	return spec, all, harness.Wrap(err, "read %s", v.Object)
}

// expectedOf is what is recorded of a fault.
func expectedOf(v harness.Variant, by string, kernel version) (expectation, error) {
	_, all, err := openFault(v)
	if err == nil && by == byModule {
		all, err = moduleExpectations(v)
	}
	if err != nil {
		return expectation{}, err
	}
	return expected(all, by, kernel)
}

// try loads a fault's program with the rights of by. The caller closes the attempt.
func (s *stage) try(object string, spec *ebpf.CollectionSpec, by string) (a *bpfobj.Attempt, err error) {
	load := func() error {
		a, err = bpfobj.Try(object, spec, s.types())
		return err
	}
	if by == byBPF {
		return a, withRights(bpfRights, load)
	}
	return a, load()
}

// types are the kernel's types, read once.
func (s *stage) types() *btf.Cache {
	if s.loader == nil {
		return nil
	}
	return s.loader.Types
}

// program loads a fault's program, and runs it if it is accepted and run is true.
func (s *stage) program(ctx context.Context, v harness.Variant, by string, run bool) (f found, more []harness.Metric, err error) {
	spec, _, err := openFault(v)
	if err != nil {
		return f, nil, err
	}
	a, err := s.try(v.Object, spec, by)
	if err != nil {
		return f, nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	more = []harness.Metric{{Unit: unitVerified, Value: float64(a.Verified)}, {Unit: unitVerify, Value: a.Took.Seconds()}}
	if a.Coll == nil {
		return found{fate: harness.FateRefused, words: a.Refusal}, more, nil
	}
	f.fate = harness.FateAccepted
	if run {
		for _, p := range a.Coll.Programs {
			f, err = runProgram(ctx, v, by, p, a.Coll.Variables[leakName])
		}
	}
	return f, more, err
}

// Units of the verifier's work.
const (
	unitVerified = "verified-insn"
	unitVerify   = "verify-sec"
)

// leakName is the variable in which a program leaves what it should not have.
const leakName = "leaked"

// kernelSpace is where the kernel's half of the address space begins, on x86-64.
const kernelSpace = 1 << 63

// halfAddress is the least return value that is taken for half of an address: no program of the corpus returns so large a number.
const halfAddress = 1 << 16

// runProgram runs an accepted program once, and looks for what it leaked.
func runProgram(ctx context.Context, v harness.Variant, by string, p *ebpf.Program, leaked *ebpf.Variable) (found, error) {
	var value uint32
	err := guard(ctx, v.Name+" by "+by, func() (err error) {
		value, err = runOnce(p)
		return err
	})
	if errors.Is(err, errNoRun) {
		return found{fate: harness.FateAccepted, words: err.Error()}, nil
	}
	if err != nil {
		return found{}, err
	}
	time.Sleep(settleTime) // what the program started goes on
	f := found{fate: harness.FateHarmless, value: &value}
	var secret uint64
	if leaked != nil {
		if err := leaked.Get(&secret); err != nil {
			return f, fmt.Errorf("read %s: %w", leakName, err)
		}
	}
	if secret >= kernelSpace || value >= halfAddress {
		f.fate, f.value, f.words = harness.FateLeak, nil, "user space read a kernel address"
	}
	return f, nil
}

// errNoRun means that the kernel has no test run for a type of program.
var errNoRun = errors.New("the kernel has no test run for this type of program")

// packetBytes is the length of the packet that programs get.
const packetBytes = 64

// runOnce runs a program on a packet of zeros, or a context of zeros, and returns its value.
func runOnce(p *ebpf.Program) (uint32, error) {
	var o ebpf.RunOptions
	switch p.Type() {
	case ebpf.XDP, ebpf.SchedCLS:
		o.Data = make([]byte, packetBytes)
	case ebpf.Syscall:
		o.Context = make([]byte, 8)
	default:
		return 0, errNoRun
	}
	value, err := p.Run(&o)
	return value, harness.Wrap(err, "run program")
}

// hangTime is how long, by the guest's clock, a fault may take. The longest harmless one takes 0.2 s.
const hangTime = 5 * time.Second

// settleTime is how long what a program started may go on, by the guest's clock.
const settleTime = 20 * time.Millisecond

// hangMark begins the line on the console of a guest that the family ends because a fault does not come back.
const hangMark = "kxlab: still running"

// guard runs a fault in a guest. If the fault does not come back, though the guest goes on, the guest is ended.
func guard(ctx context.Context, name string, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	timer := time.NewTimer(hangTime)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	err := os.WriteFile("/dev/kmsg", []byte(fmt.Sprintf("<2>BUG: %s after %v: %s\n", hangMark, hangTime, name)), 0)
	return errors.Join(fmt.Errorf("fault %s still runs after %v", name, hangTime), err, os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0))
}

// alive returns an error unless the kernel still loads and runs a program without a fault.
func (s *stage) alive() error {
	spec, err := bpf.Open(soundObject)
	if err != nil {
		return err
	}
	a, err := s.try(soundObject, spec, byRoot)
	if err != nil {
		return err
	}
	defer a.Close()
	if a.Coll == nil {
		return fmt.Errorf("load %s, which has no fault: refused: %s", soundObject, a.Refusal)
	}
	if !s.guest { // nothing of the corpus runs on this machine
		return nil
	}
	const pass = 2 // XDP_PASS
	for _, p := range a.Coll.Programs {
		value, err := runOnce(p)
		if err == nil && value != pass {
			err = fmt.Errorf("it returned %d, want %d", value, pass)
		}
		if err != nil {
			return fmt.Errorf("run %s, which has no fault: %w", soundObject, err)
		}
	}
	return nil
}

// soundObject is the program without a fault.
const soundObject = "safety/sound"
