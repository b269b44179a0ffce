// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
)

const mmapable = unix.BPF_F_MMAPABLE

// configName is the variable that says where the balancer stands. It is no knob.
const configName = "cfg"

// setConfig sets the variable cfg, if the object has one.
func setConfig(spec *ebpf.CollectionSpec, at harness.Site, ncpu int) error {
	v := spec.Variables[configName]
	if v == nil {
		return nil
	}
	cfg := abi.LBConfig{
		Seed:    at.Seed,
		Ifindex: uint32(at.Ifindex),
		MTU:     uint32(at.MTU), ClientMTU: uint32(at.ClientMTU),
		MAC:  Mac6(at.MAC),
		NCPU: uint32(ncpu),
	}
	if a := at.Addr4.Addr(); a.Is4() {
		cfg.Addr4 = a.As4()
	}
	if a := at.Addr6.Addr(); a.Is6() {
		cfg.Addr6 = a.As16()
	}
	if want := binary.Size(&cfg); int(v.Size()) != want {
		return fmt.Errorf("variable %s has %d bytes, not the %d of struct lb_config", configName, v.Size(), want)
	}
	if err := v.Set(&cfg); err != nil {
		return fmt.Errorf("set variable %s: %w", configName, err)
	}
	return nil
}

// setKnobs sets the object's const volatile variables and reads what concerns the control plane. ring_size is the
// control plane's own knob: it may be given for every object with rings, whether it has such a variable or not.
func setKnobs(spec *ebpf.CollectionSpec, knobs []harness.Knob) (settings, error) {
	vars := knobVariables(spec)
	var set settings
	_, set.Jet = vars["ring_jet"] // to have it is to ask for it
	seen := make(map[string]bool, len(knobs))
	for _, k := range knobs {
		if seen[k.Name] {
			return set, fmt.Errorf("knob %s is given twice", k.Name)
		}
		seen[k.Name] = true
		v := vars[k.Name]
		switch {
		case v != nil:
			if err := setVariable(v, k.Value); err != nil {
				return set, err
			}
		case k.Name == "ring_size" && spec.Maps["rings"] != nil:
		default:
			return set, fmt.Errorf("unknown knob %q (there are: %s)", k.Name, strings.Join(slices.Sorted(maps.Keys(vars)), ", "))
		}
		switch k.Name {
		case "ring_size":
			if k.Value != 0 && (k.Value > 1<<24 || !IsPrime(int(k.Value))) {
				return set, fmt.Errorf("knob ring_size: %d is not a prime below %d", k.Value, 1<<24)
			}
			set.RingSize = int(k.Value)
		case "ring_jet":
			set.Jet = k.Value != 0
		}
	}
	if v := vars["flow_entries"]; v != nil {
		n := variableValue(v)
		if n > 1<<31 {
			return set, fmt.Errorf("knob flow_entries: %d is above %d", n, 1<<31)
		}
		set.FlowEntries = uint32(n)
	}
	return set, nil
}

// knobVariables are the const volatile integers of an object.
func knobVariables(spec *ebpf.CollectionSpec) map[string]*ebpf.VariableSpec {
	vars := make(map[string]*ebpf.VariableSpec)
	for name, v := range spec.Variables {
		if name != configName && name != hzName && v.Constant() && isVolatileInt(v) {
			vars[name] = v
		}
	}
	return vars
}

// isVolatileInt reports whether a variable is a volatile integer: what is only const, the compiler has folded away.
func isVolatileInt(v *ebpf.VariableSpec) bool {
	switch v.Size() {
	case 1, 2, 4, 8:
	default:
		return false
	}
	if v.Type == nil {
		return true // no type information: nothing to go by
	}
	volatile := false
	for t := v.Type.Type; ; {
		switch q := t.(type) {
		case *btf.Const:
			t = q.Type
		case *btf.Volatile:
			volatile, t = true, q.Type
		case *btf.Typedef:
			t = q.Type
		case *btf.Int, *btf.Enum:
			return volatile
		default:
			return false
		}
	}
}

// setVariable sets an integer variable. A value that does not fit its width is an error.
func setVariable(v *ebpf.VariableSpec, value uint64) error {
	width := v.Size()
	if width < 8 && value>>(8*width) != 0 {
		return fmt.Errorf("knob %s: %d does not fit into %d bytes", v.Name, value, width)
	}
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], value)
	part := b[:width]
	if isBigEndian() {
		part = b[8-width:]
	}
	if err := v.Set(part); err != nil {
		return fmt.Errorf("set knob %s: %w", v.Name, err)
	}
	return nil
}

// variableValue reads an integer variable.
func variableValue(v *ebpf.VariableSpec) uint64 {
	switch b := v.Value; len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.NativeEndian.Uint16(b))
	case 4:
		return uint64(binary.NativeEndian.Uint32(b))
	case 8:
		return binary.NativeEndian.Uint64(b)
	}
	return 0
}

func isBigEndian() bool { return binary.NativeEndian.Uint16([]byte{0, 1}) == 1 }

// Mac6 returns a MAC as 6 bytes; none is all zeros, for variants that leave the next hop to the kernel.
func Mac6(m net.HardwareAddr) (mac [6]byte) {
	copy(mac[:], m)
	return mac
}

// IsPrime reports whether n is a prime. For ring sizes, which are small.
func IsPrime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n > 1
}
