// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
)

// ccOps is the kernel's struct of a congestion control.
const ccOps = "tcp_congestion_ops"

// hzName is the variable that tells a program how many ticks the kernel makes a second. It is no knob.
const hzName = "kernel_hz"

// ccMayLack are operations that older kernels do not have and the objects can do without: cwnd_event, which is told of the
// same there, is implemented beside it.
var ccMayLack = []string{"cwnd_event_tx_start"}

// A CcInstance is a loaded object with a congestion control, registered or not.
type CcInstance struct {
	Object string
	coll   *ebpf.Collection
	Ops    *ebpf.Map
	Id     ebpf.MapID
}

// OpenCC reads a variant's object and checks what can be checked without the kernel.
func OpenCC(v harness.Variant) (*OpsStruct, error) {
	spec, err := bpf.Open(v.Object)
	if err != nil {
		return nil, err
	}
	return CheckCC(v.Object, spec)
}

// CheckCC returns the operations of a specification, or an error that says what is wrong with them.
func CheckCC(object string, spec *ebpf.CollectionSpec) (*OpsStruct, error) {
	o, err := findOps(object, spec)
	if err != nil {
		return nil, err
	}
	if o.Typ.Name != ccOps {
		return nil, fmt.Errorf("read %s: %s is a struct %s, not %s", object, o.m.Name, o.Typ.Name, ccOps)
	}
	// What tcp_validate_congestion_control of the kernel asks for, with no more than "invalid argument" to say.
	for _, member := range []string{"ssthresh", "undo_cwnd"} {
		if o.progs[member] == "" {
			return nil, fmt.Errorf("read %s: a congestion control must implement %s", object, member)
		}
	}
	if o.progs["cong_avoid"] == "" && o.progs["cong_control"] == "" {
		return nil, fmt.Errorf("read %s: a congestion control must implement cong_avoid or cong_control", object)
	}
	if o.progs["get_info"] != "" {
		return nil, fmt.Errorf("read %s: the kernel does not take get_info from BPF", object)
	}
	for _, p := range o.progs {
		if l := spec.Programs[p].License; l != "GPL" && l != "Dual BSD/GPL" && l != "Dual MIT/GPL" && l != "GPL v2" {
			return nil, fmt.Errorf("read %s: program %s has the licence %q; the kernel takes a congestion control under GPL only",
				object, p, l)
		}
	}
	return o, nil
}

// LoadCC gives the operations their name, sets the knobs and loads them. The specification is used up.
func LoadCC(types *btf.Cache, o *OpsStruct, name string, knobs []harness.Knob) (*CcInstance, error) {
	if err := o.SetName(name); err != nil {
		return nil, fmt.Errorf("configure %s: %w", o.Object, err)
	}
	if _, err := setKnobs(o.Spec, knobs); err != nil {
		return nil, fmt.Errorf("configure %s: %w", o.Object, err)
	}
	if v := o.Spec.Variables[hzName]; v != nil {
		hz, err := kernelHZ()
		if err != nil {
			return nil, fmt.Errorf("configure %s: %w", o.Object, err)
		}
		if err := setVariable(v, hz); err != nil {
			return nil, fmt.Errorf("configure %s: %w", o.Object, err)
		}
	}
	if err := o.FitKernel(types, ccMayLack...); err != nil {
		return nil, err
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("load %s: %w", o.Object, err)
	}
	coll, err := ebpf.NewCollectionWithOptions(o.Spec, ebpf.CollectionOptions{Cache: types})
	if err != nil {
		return nil, explainLoad(o.Object, o.Spec.Types, err)
	}
	i := &CcInstance{Object: o.Object, coll: coll, Ops: coll.Maps[o.m.Name]}
	info, err := i.Ops.Info()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read map info of %s: %w", o.Object, err), i.Close())
	}
	if id, ok := info.ID(); ok {
		i.Id = id
	}
	return i, nil
}

// Users is how many hold on to this instance, which the kernel reports as an estimate: sockets, and the registration.
func (i *CcInstance) Users() (uint64, error) {
	value, err := i.Ops.LookupBytes(uint32(0))
	if err != nil {
		return 0, fmt.Errorf("read state of %s: %w", i.Object, err)
	}
	if len(value) < 4 { // struct bpf_struct_ops_common begins with the count
		return 0, fmt.Errorf("read state of %s: the kernel gave %d bytes", i.Object, len(value))
	}
	return uint64(binary.NativeEndian.Uint32(value)), nil
}

// statPrefix begins the names of an object's global variables of 64 bits that count.
const statPrefix = "stat_"

// Stats are the values of the object's counting variables, by their names without the prefix.
func (i *CcInstance) Stats() (map[string]uint64, error) {
	out := map[string]uint64{}
	for name, v := range i.coll.Variables {
		short, ok := strings.CutPrefix(name, statPrefix)
		if !ok {
			continue
		}
		var n uint64
		if err := v.Get(&n); err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", name, i.Object, err)
		}
		out[short] = n
	}
	return out, nil
}

// Close unloads the instance. While it is registered, or a socket uses it, it lives on in the kernel.
func (i *CcInstance) Close() error {
	i.coll.Close()
	return nil
}

// kernelHZ asks the kernel for its ticks a second: what its coarse clock can tell apart is one tick.
func kernelHZ() (uint64, error) {
	var tick unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &tick); err != nil {
		return 0, fmt.Errorf("ask for the length of a tick: %w", err)
	}
	n := tick.Nano()
	if n <= 0 || n > int64(time.Second) {
		return 0, fmt.Errorf("ask for the length of a tick: the kernel says %d ns", n)
	}
	return uint64((int64(time.Second) + n/2) / n), nil
}
