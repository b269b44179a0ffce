// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"cmp"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// Options configure a Loader. The zero value is valid.
type Options struct {
	// Log receives one line for each object loaded. May be nil.
	Log func(string)
	// RingLines is the size of the map rings of a BPF object, in lines of 32 slots (64 bytes). 0: 1<<20, enough for 4,096
	// sets of up to 10 backends, shared by any number of services; on a machine with less than 3 GiB of memory 1<<15 (128
	// sets), because many objects are loaded at once. The knob ring_size changes the lines that a set needs.
	RingLines uint32
	// FlowEntries is the size of flow tables, connections, if the variant has no such knob. 0: the object's own size; on a
	// machine with less than 3 GiB of memory at most 1<<16.
	FlowEntries uint32
}

// Sizes on machines with little memory, such as guests.
const (
	smallMemory      = 3 << 30 // bytes
	smallRingLines   = 1 << 15
	smallFlowEntries = 1 << 16
)

// fit sets sizes that are 0 by the machine's memory, in bytes; 0: not known.
func (o Options) fit(memory uint64) Options {
	if memory != 0 && memory < smallMemory {
		o.RingLines = cmp.Or(o.RingLines, smallRingLines)
		o.FlowEntries = cmp.Or(o.FlowEntries, smallFlowEntries)
	}
	return o
}

// MachineMemory returns the machine's memory in bytes, 0 if it is not known.
func MachineMemory() uint64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return info.Totalram * uint64(info.Unit)
}

// A Loader loads BPF objects. It caches the kernel's types and is safe for concurrent use.
type Loader struct {
	Log         func(string)
	RingLines   uint32
	flowEntries uint32
	Types       *btf.Cache // of the kernel: reading them takes longer than loading an object
}

// New returns a Loader.
func New(o Options) *Loader {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	o = o.fit(MachineMemory())
	return &Loader{Types: btf.NewCache(), Log: o.Log, RingLines: o.RingLines, flowEntries: o.FlowEntries}
}
