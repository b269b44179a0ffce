// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"reflect"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// sameShape reports whether two types of a value in a map are the same to the kernel: sizes, members and what they hold, whatever the names
// of structs and members are. The kernel knows its own types by name (struct bpf_timer), and pointers and tags say what may be put there.
func sameShape(a, b btf.Type) bool {
	if a == nil || b == nil {
		return a == b
	}
	members := func(x, y []btf.Member) bool {
		return slices.EqualFunc(x, y, func(m, n btf.Member) bool {
			return m.Offset == n.Offset && m.BitfieldSize == n.BitfieldSize && slices.Equal(m.Tags, n.Tags) && sameShape(m.Type, n.Type)
		})
	}
	switch x := btf.UnderlyingType(a).(type) {
	case *btf.Struct:
		y, ok := btf.UnderlyingType(b).(*btf.Struct)
		return ok && x.Size == y.Size && (x.Name == y.Name || !kernels(x.Name) && !kernels(y.Name)) && slices.Equal(x.Tags, y.Tags) && members(x.Members, y.Members)
	case *btf.Union:
		y, ok := btf.UnderlyingType(b).(*btf.Union)
		return ok && x.Size == y.Size && slices.Equal(x.Tags, y.Tags) && members(x.Members, y.Members)
	case *btf.Array:
		y, ok := btf.UnderlyingType(b).(*btf.Array)
		return ok && x.Nelems == y.Nelems && sameShape(x.Type, y.Type)
	case *btf.Int:
		y, ok := btf.UnderlyingType(b).(*btf.Int)
		return ok && x.Size == y.Size && x.Encoding == y.Encoding
	case *btf.Enum:
		y, ok := btf.UnderlyingType(b).(*btf.Enum)
		return ok && x.Size == y.Size && x.Signed == y.Signed
	}
	return reflect.DeepEqual(a, b)
}

// kernels reports whether a struct's name may be that of a type which the kernel looks for in values of maps.
func kernels(name string) bool { return strings.HasPrefix(name, "bpf_") }
