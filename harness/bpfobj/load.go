// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
)

// loadedName is the name of a congestion control or a scheduler that is loaded and not registered.
const loadedName = "kx_loaded"

// A Loaded is a BPF object in the kernel, verified and compiled, not attached.
type Loaded interface {
	harness.Extension
	// Programs returns the kernel's figures of each program, in order of their names.
	Programs() ([]Program, error)
}

// A Program holds the kernel's figures of a loaded program with its subprograms (struct bpf_prog_info).
type Program struct {
	Name       string
	Verified   int // instructions that the verifier processed, once for each path
	Translated int // instructions after the verifier's rewriting
	Native     int // bytes of machine code
}

type loadedObject struct {
	name string
	coll *ebpf.Collection // nil: closed
}

// Load loads a variant's object in the way of its method and attaches nothing.
func (a *Loader) Load(v harness.Variant, at harness.Site) (Loaded, error) {
	spec, err := bpf.Open(v.Object)
	if err != nil {
		return nil, err
	}
	l := &loadedObject{name: v.Object}
	switch opsKind(spec) {
	case ccOps:
		o, err := CheckCC(v.Object, spec)
		if err != nil {
			return nil, err
		}
		i, err := LoadCC(a.Types, o, loadedName, v.Knobs)
		if err != nil {
			return nil, err
		}
		l.coll = i.coll
	case schedExtOps:
		o, err := findOps(v.Object, spec, schedExtOps)
		if err != nil {
			return nil, err
		}
		if l.coll, _, err = LoadSched(a.Types, o, loadedName, v.Knobs); err != nil {
			return nil, err
		}
	default:
		o, err := a.LoadObject(v, spec, at)
		if err != nil {
			return nil, err
		}
		l.coll = o.Coll
	}
	return l, nil
}

// LoadObject is the function LoadObject with the loader's sizes for maps whose sizes the variant does not set.
func (a *Loader) LoadObject(v harness.Variant, spec *ebpf.CollectionSpec, at harness.Site) (*Object, error) {
	return LoadObject(v.Object, spec, a.addFlowEntries(spec, v.Knobs), at, a.RingLines)
}

// opsKind returns the type of an object's struct of operations, "" if it has none.
func opsKind(spec *ebpf.CollectionSpec) string {
	for _, m := range spec.Maps {
		if m.Type == ebpf.StructOpsMap && m.Value != nil {
			return m.Value.TypeName()
		}
	}
	return ""
}

func (l *loadedObject) Programs() ([]Program, error) {
	var out []Program
	for _, name := range slices.Sorted(maps.Keys(l.coll.Programs)) {
		info, err := l.coll.Programs[name].Info()
		if err != nil {
			return nil, fmt.Errorf("read info of program %s: %w", name, err)
		}
		verified, ok := info.VerifiedInstructions()
		if !ok {
			return nil, harness.Skip("read info of program %s: this kernel does not count verified instructions (since 5.16)", name)
		}
		native, err := info.JitedSize()
		if err != nil {
			return nil, harness.Skip("read info of program %s: %v", name, err)
		}
		bytes, err := info.TranslatedSize()
		if err != nil {
			return nil, harness.Skip("read info of program %s: %v", name, err)
		}
		out = append(out, Program{name, int(verified), bytes / asm.InstructionSize, int(native)})
	}
	return out, nil
}

// InForce returns an error only after Close: an object that is not attached cannot be detached.
func (l *loadedObject) InForce() error {
	if l.coll == nil {
		return fmt.Errorf("check %s: it is closed", l.name)
	}
	return nil
}

// Counters returns nothing: the programs never run.
func (l *loadedObject) Counters() (map[string]uint64, error) { return nil, nil }

// Close unloads the object. A second call does nothing.
func (l *loadedObject) Close() error {
	if l.coll != nil {
		l.coll.Close()
		l.coll = nil
	}
	return nil
}

// The kinds of objects, by what the kernel does with their programs.
const (
	KindCC    = "a congestion control"
	KindSched = "a scheduler"
)

// KindOf says what kind an object is: one of the above, or the types of its programs.
func KindOf(spec *ebpf.CollectionSpec) string {
	switch ops := opsKind(spec); ops {
	case ccOps:
		return KindCC
	case schedExtOps:
		return KindSched
	case "":
	default:
		return "a struct_ops " + ops
	}
	var types []string
	for _, p := range spec.Programs {
		if t := p.Type.String(); !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	slices.Sort(types)
	return "a program of type " + strings.Join(types, " and ")
}
