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

// resolveKfuncs points each call of a kfunc at the function of that exact name in the kernel's BTF.
//
// The library finds kfuncs by their names without flavours, so a kernel that has scx_bpf_dsq_insert and
// scx_bpf_dsq_insert___v2 has two of one name for it, and it refuses. What is resolved here it leaves alone.
//
// A kfunc whose existence the object asks after (a load of its address) may be missing: the question is answered, and
// calls of what is missing become calls of nothing, which the verifier drops with the branch they are in. Any other
// kfunc that is missing, or that the kernel has with another signature, is an error: see noKfunc.
func resolveKfuncs(spec *ebpf.CollectionSpec, kernel *btf.Spec) error {
	r := kfuncs{own: spec.Types, kernel: kernel, ids: map[string]btf.TypeID{}, optional: map[string]bool{}}
	for _, p := range spec.Programs {
		for _, ins := range p.Instructions {
			if ins.OpCode.IsDWordLoad() && r.declares(ins.Reference()) {
				r.optional[ins.Reference()] = true
			}
		}
	}
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
	ids         map[string]btf.TypeID // what was found in the kernel; 0: it is not there
	optional    map[string]bool       // what the object asks after
}

// resolve replaces an instruction that calls a kfunc or asks whether it exists.
func (r *kfuncs) resolve(ins *asm.Instruction) error {
	name := ins.Reference()
	asks := ins.OpCode.IsDWordLoad() && r.optional[name]
	if !asks && !ins.IsKfuncCall() {
		return nil
	}
	id, err := r.find(name)
	if err != nil {
		return err
	}
	if id == 0 && !r.optional[name] {
		return noKfunc(name, "is not in this kernel")
	}
	var with asm.Instruction // without the library's mark, which would have it resolved again
	if asks {
		with = asm.LoadImm(ins.Dst, 0, asm.DWord)
		if id != 0 {
			with.Constant = 1
		}
	} else {
		with = asm.Instruction{OpCode: ins.OpCode, Src: asm.PseudoKfuncCall, Constant: int64(id)}
	}
	with = with.WithSymbol(ins.Symbol()).WithSource(ins.Source())
	if fn := btf.FuncMetadata(ins); fn != nil {
		with = btf.WithFuncMetadata(with, fn)
	}
	*ins = with
	return nil
}

// declares reports whether the object declares a function of this name that is not its own.
func (r *kfuncs) declares(name string) bool {
	f := exactFunc(r.own, name)
	return f != nil && f.Linkage == btf.ExternFunc
}

// find returns the id of a function in the kernel, 0 if there is none.
func (r *kfuncs) find(name string) (btf.TypeID, error) {
	if id, ok := r.ids[name]; ok {
		return id, nil
	}
	there := exactFunc(r.kernel, name)
	if there == nil {
		r.ids[name] = 0
		return 0, nil
	}
	here := exactFunc(r.own, name)
	if here == nil {
		return 0, fmt.Errorf("resolve kfunc %s: the object does not declare it", name)
	}
	err := callable(here, there)
	if err != nil && r.optional[name] {
		r.ids[name] = 0 // not there in a form that can be called
		return 0, nil
	}
	if err != nil {
		return 0, noKfunc(name, fmt.Sprintf("cannot be called as the program declares it: %v", err))
	}
	id, err := r.kernel.TypeID(there)
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

// callable returns an error unless a call as the object declares it fits the kernel's function: each of the kernel's
// parameters is passed, with the same kind of type, and a result that is used is there. What is passed beyond is not
// looked at: so an object may pass what newer kernels ask for.
func callable(here, there *btf.Func) error {
	h, ok1 := here.Type.(*btf.FuncProto)
	t, ok2 := there.Type.(*btf.FuncProto)
	if !ok1 || !ok2 {
		return fmt.Errorf("it has no prototype")
	}
	params := t.Params
	if n := len(params); n > 0 {
		switch last := params[n-1]; {
		case strings.HasSuffix(last.Name, "__prog"): // passed by the verifier (before 7.0)
			params = params[:n-1]
		case kindOf(last.Type) == "pointer to bpf_prog_aux":
			// Since 7.0 the build takes this argument of the verifier's out of what it describes. Where it forgot to, as
			// for some functions of Debian's 7.1.13, the verifier refuses every call: "does not have a valid func_proto".
			return fmt.Errorf("the kernel's build describes it wrongly, with an argument that only the verifier passes")
		}
	}
	if len(params) > len(h.Params) {
		return fmt.Errorf("it takes %d arguments, not %d", len(params), len(h.Params))
	}
	for i, p := range params {
		if have, want := kindOf(h.Params[i].Type), kindOf(p.Type); have != want {
			return fmt.Errorf("argument %s is %s, not %s", p.Name, want, have)
		}
	}
	if have, want := kindOf(t.Return), kindOf(h.Return); want != "void" && have != want {
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
		switch to := btf.UnderlyingType(t.Target).(type) {
		case *btf.Struct:
			return "pointer to " + to.Name
		default:
			return "pointer"
		}
	case *btf.Int:
		return fmt.Sprintf("integer of %d bytes", t.Size)
	case *btf.Enum:
		return fmt.Sprintf("integer of %d bytes", t.Size)
	default:
		return fmt.Sprintf("%T", t)
	}
}
