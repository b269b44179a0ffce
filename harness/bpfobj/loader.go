// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// Options configure a Loader. The zero value is fit for use.
type Options struct {
	// Log is told what may interest whoever looks for a fault: what was loaded, what was left out. May be nil.
	Log func(string)
	// RingLines is the room for rings in a BPF object, in lines of 32 slots (64 bytes). 0: 1<<20, enough for 4,096 sets of
	// up to 10 backends each, however many services share them; on a machine with less than 3 GiB of memory, where many
	// objects stand side by side, 1<<15 (128 sets). The knob ring_size makes room for more.
	RingLines uint32
	// FlowEntries is the size of flow tables, connections, where the variant does not say. 0: what the object says, or
	// on a machine with less than 3 GiB of memory, at most 1<<16.
	FlowEntries uint32
}

// Sizes for machines with little memory, such as guests.
const (
	littleMemory     = 3 << 30 // bytes
	littleRingLines  = 1 << 15
	littleFlowsTable = 1 << 16
)

// fit sets the sizes that are not given by the machine's memory, in bytes.
func (o Options) fit(memory uint64) Options {
	if memory == 0 || memory >= littleMemory {
		return o
	}
	if o.RingLines == 0 {
		o.RingLines = littleRingLines
	}
	if o.FlowEntries == 0 {
		o.FlowEntries = littleFlowsTable
	}
	return o
}

// MachineMemory is in bytes; 0 if it is not known.
func MachineMemory() uint64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return info.Totalram * uint64(info.Unit)
}

// A Loader makes programs in the kernel of objects. It has no state but what it has read of the running kernel, and is
// safe for concurrent use.
type Loader struct {
	Log         func(string)
	RingLines   uint32
	flowEntries uint32
	Types       *btf.Cache // of the kernel: to read them takes longer than to load an object
}

// New returns a Loader.
func New(o Options) *Loader {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	o = o.fit(MachineMemory())
	return &Loader{Types: btf.NewCache(), Log: o.Log, RingLines: o.RingLines, flowEntries: o.FlowEntries}
}
