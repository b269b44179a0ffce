// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
)

// loadedName is what a congestion control or a scheduler is called that is loaded and not registered.
const loadedName = "kx_loaded"

// A loadedObject is an object in the kernel that is attached to nothing.
type loadedObject struct {
	name string
	coll *ebpf.Collection
}

// Load loads a variant's object as the method by which it is put in force would, and attaches it to nothing.
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
		o, err := findOps(v.Object, spec)
		if err != nil {
			return nil, err
		}
		if l.coll, _, err = LoadSched(a.Types, o, loadedName, v.Knobs); err != nil {
			return nil, err
		}
	default:
		o, err := LoadObject(v.Object, spec, a.AddFlowEntries(spec, v.Knobs), at, a.RingLines)
		if err != nil {
			return nil, err
		}
		l.coll = o.Coll
	}
	return l, nil
}

// opsKind names the type of an object's struct of operations; "" if it has none.
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
		p := Program{Name: name}
		verified, ok := info.VerifiedInstructions()
		if !ok {
			return nil, harness.Skip("read info of program %s: this kernel does not say how much it verified (5.16 does)", name)
		}
		native, err := info.JitedSize()
		if err != nil {
			return nil, harness.Skip("read info of program %s: %v", name, err)
		}
		bytes, err := info.TranslatedSize()
		if err != nil {
			return nil, harness.Skip("read info of program %s: %v", name, err)
		}
		p.Verified, p.Translated, p.Native = int(verified), bytes/asm.InstructionSize, int(native)
		out = append(out, p)
	}
	return out, nil
}

// InForce returns an error once it is closed: there is no other way out for what is attached to nothing.
func (l *loadedObject) InForce() error {
	if l.coll == nil {
		return fmt.Errorf("check %s: it is closed", l.name)
	}
	return nil
}

// Counters are none: the programs never run.
func (l *loadedObject) Counters() (map[string]uint64, error) { return nil, nil }

// Close unloads the object. A second call does nothing.
func (l *loadedObject) Close() error {
	if l.coll != nil {
		l.coll.Close()
		l.coll = nil
	}
	return nil
}
