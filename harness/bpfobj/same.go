// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Same reports whether two objects are the same code: the kernel would get equal instructions, maps and values of variables. Names of
// programs, functions and local variables, the lines of the source, and names of types and their members may differ. Renamed maps count as
// differences.
func Same(a, b *ebpf.CollectionSpec) bool {
	if len(a.Programs) != len(b.Programs) || len(a.Maps) != len(b.Maps) || len(a.Variables) != len(b.Variables) || a.ByteOrder != b.ByteOrder {
		return false
	}
	pairs := samePrograms(a.Programs, b.Programs)
	if pairs == nil {
		return false
	}
	n := renaming{map[string]string{}, map[string]string{}}
	for _, p := range pairs {
		if !n.sameProgram(p[0], p[1]) {
			return false
		}
	}
	for name, m := range a.Maps {
		if !sameMap(m, b.Maps[name]) {
			return false
		}
	}
	for name, v := range a.Variables {
		w := b.Variables[name]
		if w == nil || v.SectionName != w.SectionName || v.Offset != w.Offset || !bytes.Equal(v.Value, w.Value) {
			return false
		}
	}
	return true
}

// samePrograms pairs the programs of two objects: by where they attach, or, if several attach alike, by name. Nil if that is not possible.
func samePrograms(a, b map[string]*ebpf.ProgramSpec) (out [][2]*ebpf.ProgramSpec) {
	place := func(p *ebpf.ProgramSpec) string { return fmt.Sprint(p.Type, p.AttachType, p.AttachTo) }
	byPlace := map[string]*ebpf.ProgramSpec{}
	for _, p := range b {
		byPlace[place(p)] = p
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		other := b[name]
		if len(byPlace) == len(b) {
			other = byPlace[place(a[name])]
		}
		if other == nil {
			return nil
		}
		out = append(out, [2]*ebpf.ProgramSpec{a[name], other})
	}
	return out
}

// A renaming is which function of one object is which of another.
type renaming struct{ to, from map[string]string }

// is reports whether one name is another, and notes it if neither was seen before.
func (n renaming) is(a, b string) bool {
	to, known := n.to[a]
	from, back := n.from[b]
	if !known && !back {
		n.to[a], n.from[b] = b, a
		return true
	}
	return to == b && from == a
}

func (n renaming) sameProgram(a, b *ebpf.ProgramSpec) bool {
	if a.Type != b.Type || a.AttachType != b.AttachType || a.AttachTo != b.AttachTo || a.Flags != b.Flags || a.License != b.License ||
		len(a.Instructions) != len(b.Instructions) {
		return false
	}
	for i := range a.Instructions {
		if !n.sameInstruction(&a.Instructions[i], &b.Instructions[i]) {
			return false
		}
	}
	return true
}

func (n renaming) sameInstruction(a, b *asm.Instruction) bool {
	if a.OpCode != b.OpCode || a.Dst != b.Dst || a.Src != b.Src || a.Offset != b.Offset || a.Constant != b.Constant || relocation(a) != relocation(b) {
		return false
	}
	if x, y := a.Symbol(), b.Symbol(); (x == "") != (y == "") || x != "" && !n.is(x, y) {
		return false
	}
	x, y := a.Reference(), b.Reference()
	if a.IsFunctionReference() && x != "" && y != "" {
		return n.is(x, y)
	}
	return x == y
}

// relocation says how an instruction depends on the kernel's types: in terms of names and members.
func relocation(i *asm.Instruction) string {
	r := btf.CORERelocationMetadata(i)
	if r == nil {
		return ""
	}
	text, _, _ := strings.Cut(r.String(), ", local_id=")
	return text
}

// sameMap compares maps of one name. Types of keys and values matter where they have locks, timers or pointers in them.
func sameMap(a, b *ebpf.MapSpec) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Type == b.Type && a.KeySize == b.KeySize && a.ValueSize == b.ValueSize && a.MaxEntries == b.MaxEntries && a.Flags == b.Flags &&
		a.Pinning == b.Pinning && a.NumaNode == b.NumaNode && a.MapExtra == b.MapExtra && a.Extra == nil && b.Extra == nil &&
		reflect.DeepEqual(a.Contents, b.Contents) && sameMap(a.InnerMap, b.InnerMap) &&
		sameShape(a.Key, b.Key) && sameType(a.Value, b.Value)
}

// sameType compares the types of two values. Variables in a section may have other names: static ones of a function bear its name.
func sameType(a, b btf.Type) bool {
	x, ok := a.(*btf.Datasec)
	y, both := b.(*btf.Datasec)
	if !ok || !both {
		return sameShape(a, b)
	}
	return slices.EqualFunc(x.Vars, y.Vars, func(v, w btf.VarSecinfo) bool {
		s, ok := v.Type.(*btf.Var)
		t, both := w.Type.(*btf.Var)
		return ok && both && v.Offset == w.Offset && v.Size == w.Size && s.Linkage == t.Linkage && sameShape(s.Type, t.Type)
	})
}
