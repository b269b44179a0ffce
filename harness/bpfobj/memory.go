// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// guestReserve is about what a guest's kernel, its root file system and the lab take of its memory, bytes.
const guestReserve = 128 << 20

// MapsNeed is how much memory maps take, about.
type MapsNeed struct {
	Largest string // the name of the largest map
	Bytes   uint64 // that it takes
	Sum     uint64 // of all maps, bytes
}

// MapMemory is how much memory the kernel takes when it makes the maps of an object on a machine with so many CPUs. Maps that take
// memory as they fill count nothing.
func MapMemory(spec *ebpf.CollectionSpec, cpus int) (n MapsNeed) {
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		bytes := mapBytes(spec.Maps[name], cpus)
		if bytes > n.Bytes {
			n.Largest, n.Bytes = name, bytes
		}
		n.Sum += bytes
	}
	return n
}

// mapBytes is how much memory the kernel takes for a map when it makes it.
func mapBytes(m *ebpf.MapSpec, cpus int) uint64 {
	round := func(n uint32) uint64 { return (uint64(n) + 7) &^ 7 }
	entries, each := uint64(m.MaxEntries), uint64(max(1, cpus))
	const head = 64 // of an element of a hash table, with its bucket
	switch m.Type {
	case ebpf.Array, ebpf.Queue, ebpf.Stack, ebpf.CGroupStorage:
		return entries * round(m.ValueSize)
	case ebpf.PerCPUArray:
		return entries * (8 + each*round(m.ValueSize))
	case ebpf.Hash, ebpf.LRUHash:
		if m.Flags&unix.BPF_F_NO_PREALLOC == 0 {
			return entries * (head + round(m.KeySize) + round(m.ValueSize))
		}
	case ebpf.PerCPUHash, ebpf.LRUCPUHash:
		if m.Flags&unix.BPF_F_NO_PREALLOC == 0 {
			return entries * (head + round(m.KeySize) + each*round(m.ValueSize))
		}
	case ebpf.StackTrace:
		return entries * (8 + round(m.ValueSize))
	case ebpf.ArrayOfMaps, ebpf.HashOfMaps, ebpf.ProgramArray, ebpf.DevMap, ebpf.SockMap, ebpf.CPUMap, ebpf.XSKMap:
		return entries * 8
	case ebpf.RingBuf:
		return entries
	}
	return 0
}

// CheckMemory returns an error if a guest with so many CPUs and so much memory, bytes, has no room for the maps of an object with these
// knobs.
func CheckMemory(object string, spec *ebpf.CollectionSpec, knobs []harness.Knob, cpus int, memory uint64) error {
	spec = spec.Copy()
	if opsKind(spec) == "" && (spec.Maps["rings"] != nil || spec.Variables["flow_entries"] != nil) { // the control plane sizes its maps
		o := Options{}.fit(memory)
		a := &Loader{RingLines: o.RingLines, flowEntries: o.FlowEntries}
		set, err := setKnobs(spec, a.addFlowEntries(spec, knobs))
		if err == nil {
			err = sizeMaps(spec, &set, cpus, a.RingLines)
		}
		if err != nil {
			return fmt.Errorf("configure %s: %w", object, err)
		}
	}
	n := MapMemory(spec, cpus)
	if n.Sum+guestReserve <= memory {
		return nil
	}
	remedy := "lower max_entries"
	if mb := GuestMemory(int(memory>>20), n.Sum); uint64(mb)<<20 >= n.Sum+guestReserve {
		remedy += fmt.Sprintf(", or give the guest more in a definition: guest: {memorymb: %d}", mb)
	}
	return fmt.Errorf("read %s: %s, the guest has %s: %s", object, n, gib(memory), remedy)
}

// String says which map needs how much, and how much all do if the largest takes less than nine tenths of it.
func (n MapsNeed) String() string {
	if n.Bytes >= n.Sum/10*9 {
		return fmt.Sprintf("map %s needs %s", n.Largest, gib(n.Bytes))
	}
	return fmt.Sprintf("its maps need %s (the largest, %s, %s)", gib(n.Sum), n.Largest, gib(n.Bytes))
}

// gib writes an amount of memory: in MiB below one GiB.
func gib(bytes uint64) string {
	switch {
	case bytes < 1<<30:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", bytes>>30)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

// maxGuestMB is how much memory guests get at most unless a definition says more, MiB.
const maxGuestMB = 8 << 10

// GuestMemory is how much memory guests get, MiB: twice until the maps, which need so many bytes, take at most half. Guests of few
// sizes share snapshots.
func GuestMemory(mb int, need uint64) int {
	for uint64(mb)<<20 < 2*need && mb < maxGuestMB {
		mb *= 2
	}
	return mb
}
