// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/harness"
)

// An OpsStruct is the struct of operations of a BPF object that is not loaded yet, with the programs that implement it.
type OpsStruct struct {
	Object string
	Spec   *ebpf.CollectionSpec
	m      *ebpf.MapSpec
	Typ    *btf.Struct
	data   []byte            // the initial value, without the programs
	progs  map[string]string // member → program
}

// findOps returns an object's one struct of operations, which must have the named type.
func findOps(object string, spec *ebpf.CollectionSpec, want string) (*OpsStruct, error) {
	o := &OpsStruct{Object: object, Spec: spec, progs: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		m := spec.Maps[name]
		if m.Type != ebpf.StructOpsMap {
			continue
		}
		if o.m != nil {
			// Programs are matched to members by the type's name: those of two instances would be mixed.
			return nil, fmt.Errorf("read %s: it has more than one struct of operations (%s, %s): leave one in the object", object, o.m.Name, name)
		}
		o.m = m
	}
	if o.m == nil {
		return nil, fmt.Errorf("read %s: it has no struct of operations in section .struct_ops.link", object)
	}
	typ, ok := btf.As[*btf.Struct](o.m.Value)
	if !ok || len(o.m.Contents) != 1 {
		return nil, fmt.Errorf("read %s: %s has no type or no initial value", object, o.m.Name)
	}
	o.Typ = typ
	if o.data, ok = o.m.Contents[0].Value.([]byte); !ok {
		return nil, fmt.Errorf("read %s: %s has no initial value", object, o.m.Name)
	}
	if typ.Name != want {
		return nil, fmt.Errorf("read %s: %s is a struct %s, not %s", object, o.m.Name, typ.Name, want)
	}
	for name, p := range spec.Programs {
		if member, ok := strings.CutPrefix(p.AttachTo, typ.Name+":"); ok {
			o.progs[member] = name
		}
	}
	return o, nil
}

// Field returns the bytes of a member's initial value.
func (o *OpsStruct) Field(name string) ([]byte, error) {
	i := MemberIndex(o.Typ, name)
	if i < 0 {
		return nil, fmt.Errorf("struct %s of %s has no member %s", o.Typ.Name, o.Object, name)
	}
	size, err := btf.Sizeof(o.Typ.Members[i].Type)
	if err != nil {
		return nil, fmt.Errorf("size of member %s: %w", name, err)
	}
	at := int(o.Typ.Members[i].Offset.Bytes())
	if at+size > len(o.data) {
		return nil, fmt.Errorf("member %s of %s lies beyond the initial value", name, o.Object)
	}
	return o.data[at : at+size], nil
}

// Name returns the name in the initial value.
func (o *OpsStruct) Name() (string, error) {
	b, err := o.Field("name")
	s, _, _ := strings.Cut(string(b), "\x00")
	return s, err
}

// SetName changes the name in the initial value.
func (o *OpsStruct) SetName(name string) error {
	b, err := o.Field("name")
	if err != nil {
		return err
	}
	if len(name) >= len(b) {
		return fmt.Errorf("name %q has %d bytes, the kernel takes %d", name, len(name), len(b)-1)
	}
	clear(b)
	copy(b, name)
	return nil
}

// drop removes a member and its program.
func (o *OpsStruct) drop(member string) {
	delete(o.Spec.Programs, o.progs[member])
	delete(o.progs, member)
}

// FitKernel compares the operations with the running kernel's. An operation in mayLack that the kernel lacks is removed
// with its program. Any other that it lacks, or calls with other arguments, is an error (see missingMember).
func (o *OpsStruct) FitKernel(types *btf.Cache, mayLack ...string) error {
	kernel, err := types.Kernel()
	if err != nil {
		return harness.Skip("load %s: this kernel does not describe its types (BTF): %v", o.Object, err)
	}
	if _, err := kernel.AnyTypeByName("bpf_struct_ops_link"); errors.Is(err, btf.ErrNotFound) {
		return harness.Skip("load %s: this kernel has no links for structs of operations, which 6.4 brought", o.Object)
	}
	return o.fit(kernel, mayLack...)
}

// fit is FitKernel for a kernel's types.
func (o *OpsStruct) fit(kernel *btf.Spec, mayLack ...string) error {
	var actual *btf.Struct
	if err := kernel.TypeByName(o.Typ.Name, &actual); errors.Is(err, btf.ErrNotFound) {
		return harness.Skip("load %s: this kernel has no struct %s", o.Object, o.Typ.Name)
	} else if err != nil {
		return fmt.Errorf("load %s: look up struct %s: %w", o.Object, o.Typ.Name, err)
	}
	for member := range o.progs {
		i := MemberIndex(actual, member)
		if i < 0 && slices.Contains(mayLack, member) {
			o.drop(member)
			continue
		}
		if i < 0 {
			return missingMember(o.Object, o.Typ.Name, member, "has no member "+member)
		}
		declared := o.Typ.Members[MemberIndex(o.Typ, member)]
		if want, have := params(actual.Members[i].Type), params(declared.Type); want != have {
			return missingMember(o.Object, o.Typ.Name, member,
				fmt.Sprintf("calls %s with %d arguments, the program takes %d", member, want, have))
		}
	}
	return nil
}

// MemberIndex returns the index of a struct's member, -1 if there is none of the name.
func MemberIndex(s *btf.Struct, name string) int {
	return slices.IndexFunc(s.Members, func(m btf.Member) bool { return m.Name == name })
}

// params returns the number of parameters of a pointer to a function, -1 for any other type.
func params(t btf.Type) int {
	if p, ok := btf.As[*btf.Pointer](t); ok {
		if f, ok := btf.As[*btf.FuncProto](p.Target); ok {
			return len(f.Params)
		}
	}
	return -1
}
