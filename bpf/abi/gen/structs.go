// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/bpf"
)

// A layout is a C struct in Go's terms.
type layout struct {
	size   uint32
	fields []field
}

// A field is a member: its C name, its Go type, its place in bytes.
type field struct {
	name, typ    string
	offset, size uint32
}

// readStructs returns the layouts of all named structs in the objects that Go can express. If two objects differ in a struct,
// which is an error, one of them is older than the header.
func readStructs(objects []string) (map[string]layout, error) {
	all, from := map[string]layout{}, map[string]string{}
	for _, object := range objects {
		spec, err := bpf.Open(object)
		if err != nil {
			return nil, err
		}
		for t, err := range spec.Types.All() {
			if err != nil {
				return nil, fmt.Errorf("read types of %s: %w", object, err)
			}
			s, ok := t.(*btf.Struct)
			if !ok || s.Name == "" {
				continue
			}
			l, err := layoutOf(s)
			if err != nil {
				continue // a struct of the kernel; write reports a shared one as missing
			}
			if old, ok := all[s.Name]; ok && fmt.Sprint(old) != fmt.Sprint(l) {
				return nil, fmt.Errorf("struct %s differs between %s and %s: compile both anew", s.Name, from[s.Name], object)
			}
			all[s.Name], from[s.Name] = l, object
		}
	}
	return all, nil
}

// layoutOf translates a struct of integers and arrays of integers without holes.
func layoutOf(s *btf.Struct) (layout, error) {
	l := layout{size: s.Size}
	end := uint32(0)
	for _, m := range s.Members {
		typ, size, err := goType(m.Type)
		if err != nil {
			return l, fmt.Errorf("field %s of struct %s: %w", m.Name, s.Name, err)
		}
		at := m.Offset.Bytes()
		if m.BitfieldSize != 0 || at != end {
			return l, fmt.Errorf("field %s of struct %s: a bit field, or a hole before it", m.Name, s.Name)
		}
		l.fields = append(l.fields, field{m.Name, typ, at, size})
		end = at + size
	}
	if end != s.Size {
		return l, fmt.Errorf("struct %s: a hole of %d bytes at its end", s.Name, s.Size-end)
	}
	return l, nil
}

// goType is the Go type of an integer or an array of integers, and its size in bytes.
func goType(t btf.Type) (string, uint32, error) {
	count := uint32(0)
	if a, ok := t.(*btf.Array); ok {
		t, count = a.Type, a.Nelems
	}
	isNetwork := false
	for {
		td, ok := t.(*btf.Typedef)
		if !ok {
			break
		}
		isNetwork = isNetwork || td.Name == "__be16" || td.Name == "__be32" || td.Name == "__be64"
		t = td.Type
	}
	i, ok := t.(*btf.Int)
	if !ok {
		return "", 0, fmt.Errorf("type %v is no integer", t)
	}
	total := i.Size * max(count, 1)
	switch {
	case isNetwork, i.Size == 1 && count > 0:
		return fmt.Sprintf("[%d]byte", total), total, nil
	case i.Size == 1 && i.Encoding&btf.Signed == 0 || i.Encoding&btf.Char != 0:
		return array(count, "uint8"), total, nil
	case i.Encoding&btf.Signed != 0:
		return array(count, fmt.Sprintf("int%d", 8*i.Size)), total, nil
	}
	return array(count, fmt.Sprintf("uint%d", 8*i.Size)), total, nil
}

func array(count uint32, of string) string {
	if count == 0 {
		return of
	}
	return fmt.Sprintf("[%d]%s", count, of)
}
