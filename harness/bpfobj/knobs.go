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

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
)

// configName is the variable with the addresses, link and MTU of the balancer. It is not a knob.
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

// setKnobs sets the object's const volatile variables and returns the settings for the control plane. ring_size is the
// control plane's own knob: every object with rings accepts it, with or without such a variable.
func setKnobs(spec *ebpf.CollectionSpec, knobs []harness.Knob) (settings, error) {
	vars := knobVariables(spec)
	var set settings
	_, set.Jet = vars["ring_jet"] // on by default
	seen := make(map[string]bool, len(knobs))
	for _, k := range knobs {
		if seen[k.Name] {
			return set, fmt.Errorf("knob %s is set twice", k.Name)
		}
		seen[k.Name] = true
		if v := vars[k.Name]; v != nil {
			if err := setVariable(v, k.Value); err != nil {
				return set, err
			}
		} else if k.Name != "ring_size" || spec.Maps["rings"] == nil {
			return set, fmt.Errorf("unknown knob %q (known: %s)", k.Name, strings.Join(slices.Sorted(maps.Keys(vars)), ", "))
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

// knobVariables returns the const volatile integers of an object.
func knobVariables(spec *ebpf.CollectionSpec) map[string]*ebpf.VariableSpec {
	vars := maps.Clone(spec.Variables)
	maps.DeleteFunc(vars, func(name string, v *ebpf.VariableSpec) bool {
		return name == configName || name == hzName || !v.Constant() || !isVolatileInt(v)
	})
	return vars
}

// isVolatileInt is true for a volatile integer. The compiler folds constants that are not volatile.
func isVolatileInt(v *ebpf.VariableSpec) bool {
	if !slices.Contains([]uint32{1, 2, 4, 8}, v.Size()) {
		return false
	}
	if v.Type == nil {
		return true // no type information
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
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 { // big-endian
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

// Mac6 returns a MAC as 6 bytes, all zeros without one: such variants leave the next hop to the kernel.
func Mac6(m net.HardwareAddr) (mac [6]byte) {
	copy(mac[:], m)
	return mac
}

// IsPrime is true for primes. It divides by every number up to the root: fast enough for ring sizes.
func IsPrime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n > 1
}

// Knobs lists what a variant with this object may set as knobs, sorted.
func Knobs(spec *ebpf.CollectionSpec) []string {
	names := slices.Collect(maps.Keys(knobVariables(spec)))
	if spec.Maps["rings"] != nil {
		names = append(names, "ring_size")
	}
	if KindOf(spec) == KindSched {
		names = slices.AppendSeq(names, maps.Keys(schedOpsKnobs))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// CheckKnobs returns an error if the named object cannot take the values of these knobs, as its variables or the members of its ops struct are
// too small for them. The object is opened anew.
func CheckKnobs(object string, knobs []harness.Knob) error {
	spec, err := bpf.Open(object)
	if err != nil {
		return err
	}
	if KindOf(spec) == KindSched {
		o, err := ReadSched(object, spec)
		if err == nil {
			knobs, err = setSchedOps(o, knobs)
		}
		if err != nil {
			return err
		}
	}
	_, err = setKnobs(spec, knobs)
	return err
}
