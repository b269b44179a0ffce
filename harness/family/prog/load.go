// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// A program is one in the kernel, with its maps filled.
type program struct {
	*bpfobj.Alone
	kind  Kind
	spec  *ebpf.ProgramSpec
	inner []*ebpf.Map // of maps of maps
}

// load loads a variant's program anew.
func (s *stage) load(v harness.Variant) (_ *program, err error) {
	spec, err := bpf.Open(v.Object)
	if err != nil {
		return nil, err
	}
	side := s.data.Sides[v.Name]
	p := &program{}
	if p.spec, p.kind, err = Pick(spec, side.Program); err != nil {
		return nil, err
	}
	for _, x := range side.Variables {
		if spec.Variables[x.Name] == nil {
			return nil, fmt.Errorf("set variable %s: the object has none of that name", x.Name)
		}
		if err := spec.Variables[x.Name].Set(x.Value); err != nil {
			return nil, fmt.Errorf("set variable %s: %w", x.Name, err)
		}
	}
	types := s.loader.Types
	specs := map[string]*ebpf.MapSpec{}
	for name, m := range spec.Maps {
		specs[name] = m
	}
	if p.Alone, err = bpfobj.LoadAlone(types, v.Object, spec, p.spec.Name, v.Knobs); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	for _, f := range side.Fills {
		m := p.Coll.Maps[f.Map]
		if m == nil { // the program does not use it
			continue
		}
		if err := p.fill(m, specs[f.Map], f); err != nil {
			return nil, fmt.Errorf("fill map %s, key %x: %w", f.Map, f.Key, err)
		}
	}
	return p, nil
}

// fill puts one entry.
func (p *program) fill(m *ebpf.Map, spec *ebpf.MapSpec, f Fill) error {
	switch {
	case f.Program != "":
		other := p.Coll.Programs[f.Program]
		if other == nil {
			return fmt.Errorf("program %s is not loaded", f.Program)
		}
		return m.Put(f.Key, other)
	case f.Inner != nil:
		inner, err := ebpf.NewMap(spec.InnerMap)
		if err != nil {
			return err
		}
		p.inner = append(p.inner, inner)
		for _, f := range f.Inner {
			if err := put(inner, f); err != nil {
				return err
			}
		}
		return m.Put(f.Key, inner)
	}
	return put(m, f)
}

// put puts an entry of bytes, in a map of values for each CPU on all CPUs.
func put(m *ebpf.Map, f Fill) error {
	switch m.Type() {
	case ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash, ebpf.PerCPUCGroupStorage:
		n, err := ebpf.PossibleCPU()
		if err != nil {
			return err
		}
		return m.Put(f.Key, slices.Repeat([][]byte{f.Value}, n))
	case ebpf.Queue, ebpf.Stack:
		return m.Put(nil, f.Value)
	}
	return m.Put(f.Key, f.Value)
}

func (p *program) Close() error {
	for _, m := range p.inner {
		m.Close()
	}
	return p.Alone.Close()
}

// empty loads a program of the same type that only returns a value: what it takes is the loop's own cost.
func (p *program) empty(value uint32) (*ebpf.Program, error) {
	e, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "empty", Type: p.spec.Type, AttachType: p.spec.AttachType, Flags: p.spec.Flags, License: "GPL",
		Instructions: asm.Instructions{asm.LoadImm(asm.R0, int64(value), asm.DWord), asm.Return()},
	})
	if err != nil {
		return nil, fmt.Errorf("load empty program of type %s: %w", p.kind.Name, err)
	}
	return e, nil
}
