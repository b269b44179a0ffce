// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/harness"
)

// An Alone is one program of an object in the kernel, attached to nothing, with the maps and the other programs that it needs.
type Alone struct {
	Program *ebpf.Program
	Coll    *ebpf.Collection
}

// LoadAlone loads one program of a specification, which cannot be used again. Other programs are loaded if a map that the program
// uses holds them. No map is pinned, and none is taken from a file system: its pinning by name is turned off.
func LoadAlone(types *btf.Cache, object string, spec *ebpf.CollectionSpec, program string, knobs []harness.Knob) (*Alone, error) {
	if _, err := setKnobs(spec, knobs); err != nil {
		return nil, fmt.Errorf("configure %s: %w", object, err)
	}
	KeepOnly(spec, program)
	coll, err := load(object, spec, types)
	if err != nil {
		return nil, err
	}
	return &Alone{coll.Programs[program], coll}, nil
}

// Programs returns the kernel's figures of each program, in order of their names.
func (a *Alone) Programs() ([]Program, error) { return (&loadedObject{coll: a.Coll}).Programs() }

// Close unloads the program and its maps.
func (a *Alone) Close() error {
	a.Coll.Close()
	return nil
}

// KeepOnly removes from a specification all that a program does not need, and the pinning of its maps.
func KeepOnly(spec *ebpf.CollectionSpec, program string) {
	programs, needed := map[string]bool{}, map[string]bool{}
	var keepMap func(name string)
	keepProgram := func(name string) {
		p := spec.Programs[name]
		if p == nil || programs[name] {
			return
		}
		programs[name] = true
		for _, ins := range p.Instructions {
			if ins.IsLoadFromMap() {
				keepMap(ins.Reference())
			}
		}
	}
	keepMap = func(name string) {
		m := spec.Maps[name]
		if m == nil || needed[name] {
			return
		}
		needed[name] = true
		for _, kv := range m.Contents {
			if other, ok := kv.Value.(string); ok {
				keepProgram(other)
				keepMap(other)
			}
		}
	}
	keepProgram(program)
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return !programs[name] })
	maps.DeleteFunc(spec.Maps, func(name string, _ *ebpf.MapSpec) bool { return !needed[name] })
	maps.DeleteFunc(spec.Variables, func(_ string, v *ebpf.VariableSpec) bool { return !needed[v.SectionName] })
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		for m := spec.Maps[name]; m != nil; m = m.InnerMap {
			m.Pinning = ebpf.PinNone
		}
	}
}
