// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
)

// schedExtOps is the kernel's struct of a scheduler.
const schedExtOps = "sched_ext_ops"

// schedOpsKnobs are knobs that set members of a scheduler's ops struct, not variables of its object.
var schedOpsKnobs = map[string]string{
	"ops_flags":         "flags",         // enum scx_ops_flags of the kernel
	"ops_timeout_ms":    "timeout_ms",    // of the watchdog; 0: 30 s
	"ops_exit_dump_len": "exit_dump_len", // bytes; 0: 32768
}

// OpenSched reads a variant's object and checks it as far as that needs no kernel.
func OpenSched(object string) (*OpsStruct, error) {
	spec, err := bpf.Open(object)
	if err != nil {
		return nil, err
	}
	return ReadSched(object, spec)
}

// ReadSched is OpenSched for an open specification.
func ReadSched(object string, spec *ebpf.CollectionSpec) (*OpsStruct, error) {
	o, err := findOps(object, spec, schedExtOps)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(o.checkPrograms(), o.checkSched()); err != nil {
		return nil, fmt.Errorf("read %s: %w", object, err)
	}
	return o, nil
}

// LoadSched sets a scheduler's name and knobs, adapts it to the running kernel and loads it. It returns the loaded ops
// map beside the collection that owns it. The specification cannot be used again.
func LoadSched(types *btf.Cache, o *OpsStruct, name string, knobs []harness.Knob) (*ebpf.Collection, *ebpf.Map, error) {
	rest, err := setSchedOps(o, knobs)
	if err == nil {
		err = o.SetName(name)
	}
	if err == nil {
		_, err = setKnobs(o.Spec, rest)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("configure %s: %w", o.Object, err)
	}
	if err := o.FitKernel(types); err != nil {
		return nil, nil, err
	}
	kernel, err := types.Kernel() // cached: FitKernel has read them
	if err == nil {
		err = resolveKfuncs(o.Spec, kernel)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("load %s: %w", o.Object, err)
	}
	coll, err := load(o.Object, o.Spec, types)
	if err != nil {
		var refusal *ebpf.VerifierError
		if !errors.As(err, &refusal) && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.E2BIG)) {
			err = fmt.Errorf("the kernel rejects the name, flags, timeout_ms or exit_dump_len: %w", err)
		}
		return nil, nil, err
	}
	return coll, coll.Maps[o.m.Name], nil
}

// setSchedOps applies the knobs that match fields of sched_ext_ops and returns the rest.
func setSchedOps(o *OpsStruct, knobs []harness.Knob) (rest []harness.Knob, err error) {
	seen := map[string]bool{}
	for _, k := range knobs {
		member, ok := schedOpsKnobs[k.Name]
		if !ok {
			rest = append(rest, k)
			continue
		}
		if seen[k.Name] {
			return nil, fmt.Errorf("knob %s is set twice", k.Name)
		}
		seen[k.Name] = true
		b, err := o.Field(member)
		if err != nil {
			return nil, fmt.Errorf("knob %s: %w", k.Name, err)
		}
		switch {
		case len(b) == 8:
			binary.NativeEndian.PutUint64(b, k.Value)
		case len(b) == 4 && k.Value < 1<<32:
			binary.NativeEndian.PutUint32(b, uint32(k.Value))
		default:
			return nil, fmt.Errorf("knob %s: %d does not fit into %d bytes", k.Name, k.Value, len(b))
		}
	}
	return rest, nil
}

// SchedName returns a scheduler's name for the kernel. The process and the number of the scheduler since boot make it unique.
func SchedName(variant string, pid int, seq uint64) string {
	return fmt.Sprintf("%s%d.%d", SchedPrefix(variant), pid, seq)
}

// SchedPrefix begins the names of a variant's schedulers in the kernel, which takes letters, digits, _ and . only.
func SchedPrefix(variant string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '_'
	}, variant)
	return fmt.Sprintf("kxlab.%.80s.", clean)
}

// SchedStatNames returns the names of an object's counters, in the order of its enum sched_stat.
func SchedStatNames(spec *ebpf.CollectionSpec) (names []string) {
	m := spec.Maps["stats"]
	if m == nil {
		return nil
	}
	if enum, ok := m.Key.(*btf.Enum); ok {
		for _, v := range enum.Values {
			if name, ok := strings.CutPrefix(v.Name, "STAT_"); ok {
				names = append(names, strings.ToLower(name))
			}
		}
	}
	return names
}

// schedExitVariable is the variable in which a scheduler of the lab records the reason of its ejection.
const schedExitVariable = "sched_exit"

// KernelExitInfo is the type of the variable in which the kernel's own schedulers record it (UEI_DEFINE in tools/sched_ext).
const KernelExitInfo = "user_exit_info"

// ExitVariable is the name of the variable in which a scheduler records the reason of its ejection: the lab's, or one of the type
// KernelExitInfo, whose name its author chose. "": there is none.
func ExitVariable(spec *ebpf.CollectionSpec) string {
	if spec.Variables[schedExitVariable] != nil {
		return schedExitVariable
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Variables)) {
		if v := spec.Variables[name]; v.Type != nil {
			if s, ok := btf.As[*btf.Struct](v.Type.Type); ok && s.Name == KernelExitInfo {
				return name
			}
		}
	}
	return ""
}

// checkSched returns an error if callbacks of a scheduler are missing. The kernel would accept such a scheduler and eject
// it later, or eject it without a recorded reason.
func (o *OpsStruct) checkSched() error {
	if o.progs["exit"] == "" || ExitVariable(o.Spec) == "" {
		return fmt.Errorf("%s does not record its exit reason: include schedexit.bpf.h and set .exit = (void *)record_exit, or do as the kernel's own (UEI_DEFINE, UEI_RECORD)", o.m.Name)
	}
	if o.progs["init"] == "" && o.calls("scx_bpf_dsq_move_to_local") {
		return fmt.Errorf("%s moves tasks from its own queues and has no .init that creates them (scx_bpf_create_dsq)", o.m.Name)
	}
	return nil
}

// calls is true if a program of the object calls the kfunc, in any of its flavours.
func (o *OpsStruct) calls(kfunc string) bool {
	for _, p := range o.Spec.Programs {
		for _, ins := range p.Instructions {
			if ins.IsKfuncCall() && baseName(ins.Reference()) == kfunc {
				return true
			}
		}
	}
	return false
}
