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

// Check returns an error that names the fault of an object, as far as it shows without a kernel. An object that passes may still be
// refused by CheckKernel or by the kernel.
func Check(object string, spec *ebpf.CollectionSpec) error {
	switch opsKind(spec) {
	case ccOps:
		_, err := CheckCC(object, spec)
		return err
	case schedExtOps:
		o, err := ReadSched(object, spec)
		if err == nil {
			err = harness.Wrap(o.checkQueues(), "read %s", object)
		}
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		p := spec.Programs[name]
		if kfunc := firstKfunc(p); kfunc != "" && !gplCompatible(p.License) {
			return fmt.Errorf("read %s: program %s has the licence %q and calls %s; the kernel lets programs under GPL only call kfuncs",
				object, name, p.License, kfunc)
		}
	}
	return nil
}

// AsksKernel reports whether CheckKernel can find anything wrong with an object: it has operations or calls kfuncs.
func AsksKernel(spec *ebpf.CollectionSpec) bool {
	for _, p := range spec.Programs {
		if firstKfunc(p) != "" {
			return true
		}
	}
	return opsKind(spec) != ""
}

// CheckKernel returns an error if a kernel, by its types, can not load an object whose fault that is: a kfunc that no kernel is known to
// have, an operation of no kernel. A kfunc or an operation of another kernel is no fault. inModules reports whether a module of the kernel may have a
// function that the kernel's own types lack; nil: none has.
func CheckKernel(object string, spec *ebpf.CollectionSpec, kernel *btf.Spec, inModules func(name string) bool) error {
	spec = spec.Copy()
	kind := opsKind(spec)
	var err error
	switch kind {
	case ccOps, schedExtOps:
		var o *OpsStruct
		if o, err = findOps(object, spec, kind); err == nil {
			var mayLack []string
			if kind == ccOps {
				mayLack = ccMayLack
			}
			err = o.fit(kernel, mayLack...)
		}
	}
	if err == nil && kind == schedExtOps {
		err = harness.Wrap(resolveKfuncs(spec, kernel), "load %s", object)
	} else if err == nil {
		err = harness.Wrap(findKfuncs(spec, kernel, inModules), "load %s", object)
	}
	if errors.Is(err, harness.ErrNotSupported) {
		return nil
	}
	return err
}

// findKfuncs returns an error for the first kfunc that is called, is not tested for, and is neither in the kernel's types, in any
// flavour, nor in a module. The library resolves these calls.
func findKfuncs(spec *ebpf.CollectionSpec, kernel *btf.Spec, inModules func(name string) bool) error {
	r := newKfuncs(spec, kernel)
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		for _, ins := range spec.Programs[name].Instructions {
			kfunc := baseName(ins.Reference())
			if !ins.IsKfuncCall() || r.optional[ins.Reference()] || r.lastResort(ins.Reference()) {
				continue
			}
			if _, err := kernel.AnyTypesByName(kfunc); !errors.Is(err, btf.ErrNotFound) || inModules != nil && inModules(kfunc) {
				continue
			}
			return fmt.Errorf("resolve kfuncs of %s: %w", name, missingKfunc(kfunc, "is not in this kernel"))
		}
	}
	return nil
}

// firstKfunc names the first kfunc that a program calls, or "".
func firstKfunc(p *ebpf.ProgramSpec) string {
	for _, ins := range p.Instructions {
		if ins.IsKfuncCall() {
			return ins.Reference()
		}
	}
	return ""
}

// gplCompatible is the kernel's license_is_gpl_compatible (include/linux/license.h).
func gplCompatible(license string) bool {
	return slices.Contains([]string{"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}, license)
}

// checkPrograms returns an error if a program of the object implements no operation, or has a licence that the kernel does not take.
func (o *OpsStruct) checkPrograms() error {
	bound := slices.Collect(maps.Values(o.progs))
	for _, name := range slices.Sorted(maps.Keys(o.Spec.Programs)) {
		p := o.Spec.Programs[name]
		if strings.HasPrefix(p.SectionName, "struct_ops") && !slices.Contains(bound, name) {
			hint := ""
			if member := o.memberOf(p); member != "" {
				hint = fmt.Sprintf(": .%s = (void *)%s", member, name)
			}
			return fmt.Errorf("program %s is no member of %s: add it there%s", name, o.m.Name, hint)
		}
		if slices.Contains(bound, name) && !gplCompatible(p.License) {
			return fmt.Errorf("program %s has the licence %q; the kernel takes operations under GPL only: "+
				`char _license[] SEC("license") = "GPL";`, name, p.License)
		}
	}
	return nil
}

// memberOf is the operation that a program is meant to implement, by its section (struct_ops/exit) or its name (record_exit); "" if
// neither says it, or if the operation has a program.
func (o *OpsStruct) memberOf(p *ebpf.ProgramSpec) string {
	_, section, _ := strings.Cut(p.SectionName, "/")
	best := ""
	for _, m := range o.Typ.Members {
		if params(m.Type) < 0 { // no operation
			continue
		}
		if m.Name == section {
			best = m.Name
			break
		}
		if (p.Name == m.Name || strings.HasSuffix(p.Name, "_"+m.Name)) && len(m.Name) > len(best) {
			best = m.Name
		}
	}
	if o.progs[best] != "" {
		return ""
	}
	return best
}

// queuing are the kfuncs that put a task into a queue, in all generations of their names.
var queuing = []string{
	"scx_bpf_dsq_insert", "scx_bpf_dsq_insert_vtime", "__scx_bpf_dsq_insert_vtime", "scx_bpf_dsq_insert_vtime_args",
	"scx_bpf_dispatch", "scx_bpf_dispatch_vtime",
}

// callsUnknown is true if a program calls a kfunc that no kernel is known to have: a misspelt one, or one of a kernel to come.
func (o *OpsStruct) callsUnknown() bool {
	for _, p := range o.Spec.Programs {
		for _, ins := range p.Instructions {
			if ins.IsKfuncCall() && kfuncSince[baseName(ins.Reference())] == "" {
				return true
			}
		}
	}
	return false
}

// checkQueues returns an error if a scheduler takes tasks and queues none: its tasks would never run, and the kernel ends it.
func (o *OpsStruct) checkQueues() error {
	if o.progs["enqueue"] == "" || slices.ContainsFunc(queuing, o.calls) || o.callsUnknown() {
		return nil
	}
	return fmt.Errorf("%s queues no task at all: %s is .enqueue, and no program calls scx_bpf_dsq_insert, so that no task of it would ever run; "+
		"call scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, slice, enq_flags), or leave .enqueue out", o.m.Name, o.progs["enqueue"])
}
