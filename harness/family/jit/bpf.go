// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// A bpfPlace runs functions as BPF programs.
type bpfPlace struct {
	loader    *bpfobj.Loader
	object    string
	interpret bool
}

// openBPF is the place of a variant with an object.
func openBPF(l *bpfobj.Loader, v harness.Variant, guest bool) (place, error) {
	p := bpfPlace{l, v.Object, v.Attach == methodInterpret}
	if p.interpret && !guest {
		return nil, harness.Skip("the interpreter is chosen for the whole machine (net.core.bpf_jit_enable), so that this lab does it in guests only: take target exact or vm")
	}
	if strings.HasSuffix(v.Object, "_v4") {
		if err := features.HaveV4ISA(); err != nil {
			return nil, harness.Skip("%s needs the instruction set v4 (Linux 6.6): %v", v.Object, err)
		}
	}
	return p, nil
}

// A bpfSession is a function and the empty one, each with a job of its own.
type bpfSession struct{ function, empty *bpfobj.Alone }

func (p bpfPlace) open(f function, o order) (_ session, err error) {
	if p.interpret {
		restore, err := noCompiler()
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, restore()) }()
	}
	s := &bpfSession{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.function, err = p.load("run_"+f.name, o); err != nil {
		return nil, err
	}
	if s.empty, err = p.load("run_empty", o); err != nil {
		return nil, err
	}
	return s, nil
}

// load loads one program and looks whether the kernel compiled it.
func (p bpfPlace) load(program string, o order) (*bpfobj.Alone, error) {
	spec, err := bpf.Open(p.object)
	if err != nil {
		return nil, err
	}
	if err := complete(p.object, spec); err != nil {
		return nil, err
	}
	knobs := []harness.Knob{{Name: "inputs", Value: uint64(o.inputs)}, {Name: "rounds", Value: uint64(o.rounds)}}
	a, err := bpfobj.LoadAlone(p.loader.Types, p.object, spec, program, knobs)
	if err != nil {
		return nil, err
	}
	info, err := a.Program.Info()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read info of program %s: %w", program, err), a.Close())
	}
	size, err := info.JitedSize()
	if errors.Is(err, ebpf.ErrNotSupported) { // what the library says of a program that is not compiled
		size, err = 0, nil
	}
	switch {
	case err != nil:
		err = fmt.Errorf("read info of program %s: %w", program, err)
	case p.interpret && size > 0:
		err = fmt.Errorf("program %s is compiled though the compiler was off", program)
	case !p.interpret && size == 0:
		err = harness.Skip("this kernel compiles no BPF programs: see net.core.bpf_jit_enable")
	default:
		return a, nil
	}
	return nil, errors.Join(err, a.Close())
}

// complete returns an error that names what an object lacks of what trials run, set and read.
func complete(object string, spec *ebpf.CollectionSpec) error {
	var lacks []string
	for _, name := range []string{"inputs", "rounds", "first", "job"} {
		if spec.Variables[name] == nil {
			lacks = append(lacks, "variable "+name)
		}
	}
	for _, f := range append([]function{{name: "empty"}}, functions...) {
		if spec.Programs["run_"+f.name] == nil {
			lacks = append(lacks, "program run_"+f.name)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("read %s: a source for jit (docs/definitions.md, Sources of jit) needs besides: %s", object, strings.Join(lacks, ", "))
}

// compilerSetting turns the kernel's compiler of BPF programs on and off.
const compilerSetting = "/proc/sys/net/core/bpf_jit_enable"

// noCompiler turns the compiler off until restore is called.
func noCompiler() (restore func() error, err error) {
	old, err := os.ReadFile(compilerSetting)
	if err == nil {
		err = os.WriteFile(compilerSetting, []byte("0"), 0)
	}
	if err != nil {
		return nil, harness.Skip("this kernel has no interpreter of BPF programs (CONFIG_BPF_JIT_ALWAYS_ON): %v", err)
	}
	return func() error { return os.WriteFile(compilerSetting, old, 0) }, nil
}

// run makes the turns one by one: a program makes one turn and returns its time.
func (s *bpfSession) run(ctx context.Context, j *abi.JitJob) error {
	sides := []struct {
		*bpfobj.Alone
		took []uint64
	}{{s.empty, j.Idle[:]}, {s.function, j.Took[:]}}
	for _, side := range sides {
		if err := side.Coll.Variables["job"].Set(bytesOf(j)); err != nil {
			return err
		}
		if err := fillEntries(side.Coll.Maps["entries"], j); err != nil {
			return err
		}
	}
	var o ebpf.RunOptions
	for turn := range j.Turns {
		for _, side := range sides {
			if err := side.Coll.Variables["first"].Set(turn * j.Inputs % abi.JitInputs); err != nil {
				return err
			}
			ns, err := side.Program.Run(&o)
			if err != nil {
				return fmt.Errorf("run program: %w", err)
			}
			side.took[turn] = uint64(ns)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	after := &abi.JitJob{}
	if err := s.function.Coll.Variables["job"].Get(bytesOf(after)); err != nil {
		return err
	}
	j.Results = after.Results
	return nil
}

// fillEntries puts the entries of a job's table into the kernel's hash table, if the program uses that.
func fillEntries(m *ebpf.Map, j *abi.JitJob) error {
	if m == nil {
		return nil
	}
	var key uint64
	for m.NextKey(nil, &key) == nil {
		if err := m.Delete(key); err != nil {
			return fmt.Errorf("clear hash table: %w", err)
		}
	}
	for i := 0; i < len(j.Table); i += 2 {
		if j.Table[i] == 0 {
			continue
		}
		if err := m.Put(j.Table[i], j.Table[i+1]); err != nil {
			return fmt.Errorf("fill hash table: %w", err)
		}
	}
	return nil
}

func (s *bpfSession) Close() error {
	var errs []error
	for _, a := range []*bpfobj.Alone{s.function, s.empty} {
		if a != nil {
			errs = append(errs, a.Close())
		}
	}
	return errors.Join(errs...)
}
