// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// resolveKfuncs resolves each call of a kfunc to the function of exactly that name in the kernel's BTF.
//
// The library ignores flavours in names, so it finds two functions in a kernel that has scx_bpf_dsq_insert and
// scx_bpf_dsq_insert___v2, and fails. It does not touch calls that are resolved here.
//
// A kfunc is optional if the object tests for it (loads its address), or if its name has a flavour and the object tests for others: it
// is what the last branch of such tests calls, as in the kernel's compat.bpf.h (scx_bpf_consume___old). The test becomes a constant; calls of a missing
// optional kfunc get id 0, and the verifier removes them with their branch as dead code. Any other kfunc that is
// missing or has another signature is an error (see missingKfunc).
func resolveKfuncs(spec *ebpf.CollectionSpec, kernel *btf.Spec) error {
	r := newKfuncs(spec, kernel)
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		p := spec.Programs[name]
		for i := range p.Instructions {
			if err := r.resolve(&p.Instructions[i]); err != nil {
				return fmt.Errorf("resolve kfuncs of %s: %w", name, err)
			}
		}
	}
	return nil
}

// kfuncs resolves the kfuncs of one object.
type kfuncs struct {
	own, kernel *btf.Spec
	ids         map[string]btf.TypeID // cache; 0: not in the kernel
	optional    map[string]bool       // the object tests for it
}

func newKfuncs(spec *ebpf.CollectionSpec, kernel *btf.Spec) *kfuncs {
	r := &kfuncs{own: spec.Types, kernel: kernel, ids: map[string]btf.TypeID{}, optional: map[string]bool{}}
	for _, p := range spec.Programs {
		for _, ins := range p.Instructions {
			if ins.OpCode.IsDWordLoad() && r.declares(ins.Reference()) {
				r.optional[ins.Reference()] = true
			}
		}
	}
	return r
}

// resolve replaces an instruction that calls a kfunc or tests for it.
func (r *kfuncs) resolve(ins *asm.Instruction) error {
	name := ins.Reference()
	test := ins.OpCode.IsDWordLoad() && r.optional[name]
	if !test && !ins.IsKfuncCall() {
		return nil
	}
	id, err := r.find(name)
	if err != nil {
		return err
	}
	if id == 0 && !r.optional[name] && !r.lastResort(name) {
		return missingKfunc(name, "is not in this kernel")
	}
	// A new instruction lacks the library's mark, so the library does not resolve it again.
	with := asm.Instruction{OpCode: ins.OpCode, Src: asm.PseudoKfuncCall, Constant: int64(id)}
	if test {
		with = asm.LoadImm(ins.Dst, int64(min(id, 1)), asm.DWord)
	}
	with = with.WithSymbol(ins.Symbol()).WithSource(ins.Source())
	if fn := btf.FuncMetadata(ins); fn != nil {
		with = btf.WithFuncMetadata(with, fn)
	}
	*ins = with
	return nil
}

// lastResort reports whether a kfunc that is not tested for is what remains when tests for others fail. If it can be reached, the
// verifier refuses its call.
func (r *kfuncs) lastResort(name string) bool { return len(r.optional) > 0 && baseName(name) != name }

// declares is true if the object declares a kernel function of this name.
func (r *kfuncs) declares(name string) bool {
	f := exactFunc(r.own, name)
	return f != nil && f.Linkage == btf.ExternFunc
}

// find returns the id of a function in the kernel, 0 if there is none.
func (r *kfuncs) find(name string) (btf.TypeID, error) {
	if id, ok := r.ids[name]; ok {
		return id, nil
	}
	actual := exactFunc(r.kernel, name)
	if actual == nil {
		r.ids[name] = 0
		return 0, nil
	}
	declared := exactFunc(r.own, name)
	if declared == nil {
		return 0, fmt.Errorf("resolve kfunc %s: the object does not declare it", name)
	}
	err := callable(declared, actual)
	if err != nil && r.optional[name] {
		r.ids[name] = 0 // not in a form that can be called
		return 0, nil
	}
	if err != nil {
		return 0, missingKfunc(name, fmt.Sprintf("cannot be called as the program declares it: %v", err))
	}
	id, err := r.kernel.TypeID(actual)
	if err != nil {
		return 0, fmt.Errorf("resolve kfunc %s: %w", name, err)
	}
	r.ids[name] = id
	return id, nil
}

// exactFunc returns the function of exactly this name; nil if there is none.
func exactFunc(spec *btf.Spec, name string) *btf.Func {
	types, err := spec.AnyTypesByName(name)
	if err != nil {
		return nil
	}
	for _, t := range types {
		if f, ok := t.(*btf.Func); ok && f.Name == name {
			return f
		}
	}
	return nil
}

// callable returns an error unless a call by the object's declaration fits the kernel's function: it passes each of the
// kernel's parameters with the same kind of type, and a result that it uses exists. Further arguments are allowed, so
// an object may pass those of newer kernels.
func callable(declared, actual *btf.Func) error {
	d, ok1 := declared.Type.(*btf.FuncProto)
	a, ok2 := actual.Type.(*btf.FuncProto)
	if !ok1 || !ok2 {
		return fmt.Errorf("it has no prototype")
	}
	params := a.Params
	if n := len(params); n > 0 {
		switch last := params[n-1]; {
		case strings.HasSuffix(last.Name, "__prog"): // passed by the verifier (before 7.0)
			params = params[:n-1]
		case kindOf(last.Type) == "pointer to bpf_prog_aux":
			// Since 7.0 the build removes this argument, which only the verifier passes, from the BTF. If the build misses
			// a function, as for some of Debian's 7.1.13, the verifier refuses every call: "does not have a valid func_proto".
			return fmt.Errorf("the kernel's build describes it wrongly, with an argument that only the verifier passes")
		}
	}
	if len(params) > len(d.Params) {
		return fmt.Errorf("it takes %d arguments, not %d", len(params), len(d.Params))
	}
	for i, p := range params {
		if have, want := kindOf(d.Params[i].Type), kindOf(p.Type); have != want {
			return fmt.Errorf("argument %s is %s, not %s", p.Name, want, have)
		}
	}
	if have, want := kindOf(a.Return), kindOf(d.Return); want != "void" && have != want {
		return fmt.Errorf("it returns %s, not %s", have, want)
	}
	return nil
}

// kindOf describes a type as far as it matters to a caller.
func kindOf(t btf.Type) string {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Void:
		return "void"
	case *btf.Pointer:
		if to, ok := btf.UnderlyingType(t.Target).(*btf.Struct); ok {
			return "pointer to " + to.Name
		}
		return "pointer"
	case *btf.Int:
		return fmt.Sprintf("integer of %d bytes", t.Size)
	case *btf.Enum:
		return fmt.Sprintf("integer of %d bytes", t.Size)
	default:
		return fmt.Sprintf("%T", t)
	}
}
