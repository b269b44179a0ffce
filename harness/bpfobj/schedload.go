// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
)

// schedExtOps is the kernel's struct of a scheduler.
const schedExtOps = "sched_ext_ops"

// schedOpsKnobs are knobs that set members of a scheduler's ops struct rather than variables of its object.
var schedOpsKnobs = map[string]string{
	"ops_flags":         "flags",         // enum scx_ops_flags of the kernel
	"ops_timeout_ms":    "timeout_ms",    // after which the watchdog ends it; 0: 30 s
	"ops_exit_dump_len": "exit_dump_len", // bytes; 0: 32768
}

// OpenSched reads a variant's object and checks what can be checked without the kernel.
func OpenSched(object string) (*OpsStruct, error) {
	spec, err := bpf.Open(object)
	if err != nil {
		return nil, err
	}
	return ReadSched(object, spec)
}

// ReadSched is OpenSched for a specification that is read already.
func ReadSched(object string, spec *ebpf.CollectionSpec) (*OpsStruct, error) {
	o, err := findOps(object, spec)
	if err != nil {
		return nil, err
	}
	if o.Typ.Name != schedExtOps {
		return nil, fmt.Errorf("read %s: %s is a struct %s, not %s", object, o.m.Name, o.Typ.Name, schedExtOps)
	}
	if err := o.checkSched(); err != nil {
		return nil, fmt.Errorf("read %s: %w", object, err)
	}
	return o, nil
}

// LoadSched gives a scheduler its name, sets the knobs, resolves it for the running kernel and loads it. It returns the
// loaded ops map beside the collection that owns it. The specification is used up.
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
	kernel, err := types.Kernel()
	if err != nil {
		return nil, nil, harness.Skip("load %s: this kernel does not describe its types (BTF): %v", o.Object, err)
	}
	if err := resolveKfuncs(o.Spec, kernel); err != nil {
		return nil, nil, fmt.Errorf("load %s: %w", o.Object, err)
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, nil, fmt.Errorf("load %s: %w", o.Object, err)
	}
	coll, err := ebpf.NewCollectionWithOptions(o.Spec, ebpf.CollectionOptions{Cache: types})
	if err != nil {
		var refusal *ebpf.VerifierError
		if !errors.As(err, &refusal) && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.E2BIG)) {
			return nil, nil, fmt.Errorf("load %s: the kernel refuses the name, flags, timeout_ms or exit_dump_len given: %w", o.Object, err)
		}
		return nil, nil, explainLoad(o.Object, o.Spec.Types, err)
	}
	return coll, coll.Maps[o.m.Name], nil
}

// setSchedOps sets the members of the ops struct that knobs name and returns the other knobs.
func setSchedOps(o *OpsStruct, knobs []harness.Knob) (rest []harness.Knob, err error) {
	seen := map[string]bool{}
	for _, k := range knobs {
		member, ok := schedOpsKnobs[k.Name]
		if !ok {
			rest = append(rest, k)
			continue
		}
		if seen[k.Name] {
			return nil, fmt.Errorf("knob %s is given twice", k.Name)
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

// SchedName makes a name for the kernel, which takes letters, digits, _ and . only, from a variant's. The process and the
// number of the scheduler since boot make it this instance's alone.
func SchedName(variant string, pid int, seq uint64) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.':
			return r
		}
		return '_'
	}, variant)
	if len(clean) > 80 {
		clean = clean[:80]
	}
	return fmt.Sprintf("kxlab.%s.%d.%d", clean, pid, seq)
}

// SchedStatNames are the names of an object's counters, in the order of its enum sched_stat.
func SchedStatNames(spec *ebpf.CollectionSpec) []string {
	m := spec.Maps["stats"]
	if m == nil {
		return nil
	}
	enum, ok := m.Key.(*btf.Enum)
	if !ok {
		return nil
	}
	var names []string
	for _, v := range enum.Values {
		if name, ok := strings.CutPrefix(v.Name, "STAT_"); ok {
			names = append(names, strings.ToLower(name))
		}
	}
	return names
}
