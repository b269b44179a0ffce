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
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
)

// ccOps is the kernel's struct of a congestion control.
const ccOps = "tcp_congestion_ops"

// hzName is the variable that holds the kernel's ticks per second. It is not a knob.
const hzName = "kernel_hz"

// ccMayLack are operations that older kernels lack and the objects can do without: each object also implements
// cwnd_event, which such kernels call for the same event.
var ccMayLack = []string{"cwnd_event_tx_start"}

// A CcInstance is a loaded object with a congestion control, registered or not.
type CcInstance struct {
	Object string
	coll   *ebpf.Collection
	Ops    *ebpf.Map
	Id     ebpf.MapID
}

// OpenCC reads a variant's object and checks it as far as that needs no kernel.
func OpenCC(v harness.Variant) (*OpsStruct, error) {
	spec, err := bpf.Open(v.Object)
	if err != nil {
		return nil, err
	}
	return CheckCC(v.Object, spec)
}

// CheckCC returns the operations of a specification, or an error that names their fault. The kernel's
// tcp_validate_congestion_control requires the same and reports only "invalid argument".
func CheckCC(object string, spec *ebpf.CollectionSpec) (*OpsStruct, error) {
	o, err := findOps(object, spec, ccOps)
	if err != nil {
		return nil, err
	}
	has := func(member string) bool { return o.progs[member] != "" }
	for _, r := range []struct {
		ok     bool
		needed string
	}{
		{has("ssthresh"), "must implement ssthresh"},
		{has("undo_cwnd"), "must implement undo_cwnd"},
		{has("cong_avoid") || has("cong_control"), "must implement cong_avoid or cong_control"},
		{!has("get_info"), "must not implement get_info, which the kernel does not take from BPF"},
	} {
		if !r.ok {
			return nil, fmt.Errorf("read %s: a congestion control %s", object, r.needed)
		}
	}
	if err := o.checkPrograms(); err != nil {
		return nil, fmt.Errorf("read %s: %w", object, err)
	}
	return o, nil
}

// LoadCC sets the name of the operations and the knobs and loads the object. The specification cannot be used again.
func LoadCC(types *btf.Cache, o *OpsStruct, name string, knobs []harness.Knob) (*CcInstance, error) {
	err := o.SetName(name)
	if err == nil {
		_, err = setKnobs(o.Spec, knobs)
	}
	if v := o.Spec.Variables[hzName]; err == nil && v != nil {
		var hz uint64
		if hz, err = kernelHZ(); err == nil {
			err = setVariable(v, hz)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", o.Object, err)
	}
	if err := o.FitKernel(types, ccMayLack...); err != nil {
		return nil, err
	}
	coll, err := load(o.Object, o.Spec, types)
	if err != nil {
		return nil, err
	}
	i := &CcInstance{Object: o.Object, coll: coll, Ops: coll.Maps[o.m.Name]}
	info, err := i.Ops.Info()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read map info of %s: %w", o.Object, err), i.Close())
	}
	i.Id, _ = info.ID()
	return i, nil
}

// Users returns the kernel's estimate of the references to this instance: one for each socket, one for the registration.
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

// statPrefix begins the names of an object's counters, which are global variables of 64 bits.
const statPrefix = "stat_"

// Stats returns the object's counters, by their names without the prefix.
func (i *CcInstance) Stats() (map[string]uint64, error) {
	out := map[string]uint64{}
	for name, v := range i.coll.Variables {
		if short, ok := strings.CutPrefix(name, statPrefix); ok {
			var n uint64
			if err := v.Get(&n); err != nil {
				return nil, fmt.Errorf("read %s of %s: %w", name, i.Object, err)
			}
			out[short] = n
		}
	}
	return out, nil
}

// Close unloads the instance. The kernel keeps it while it is registered or a socket uses it.
func (i *CcInstance) Close() error {
	i.coll.Close()
	return nil
}

// kernelHZ returns the kernel's ticks per second: one tick is the resolution of its coarse clock.
func kernelHZ() (uint64, error) {
	var tick unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &tick); err != nil {
		return 0, fmt.Errorf("read the length of a tick: %w", err)
	}
	n := tick.Nano()
	if n <= 0 || n > int64(time.Second) {
		return 0, fmt.Errorf("read the length of a tick: the kernel says %d ns", n)
	}
	return uint64((int64(time.Second) + n/2) / n), nil
}
