// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
)

// defaultRingLines is the default size of the map rings, lines: 64 MiB, enough for 4,096 different rings of 8191 slots.
const defaultRingLines = 1 << 20

// flowsPerLine is the number of connections in a line of a flow table that is an array.
const flowsPerLine = 8

// maxFlowEntries is the largest such table: 24 bits of a connection's hash select its line (bpf/include/flow.bpf.h).
const maxFlowEntries = flowsPerLine << 24

// An Object is a loaded BPF object. Its programs are not attached yet.
type Object struct {
	Name string
	spec *ebpf.CollectionSpec // with the sections and attach types of the programs
	Coll *ebpf.Collection
	Set  settings
}

// settings are the values of an object's variables that the control plane needs.
type settings struct {
	FlowEntries uint32 // entries of one flow table; 0: there is none
	FlowSides   uint32 // entries of a connection
	RingSize    int    // slots of every ring; 0: by the number of backends
	Jet         bool   // rings by rendezvous hashing, with the slots to track marked
	RingLines   uint32 // size of the map rings; 0: the object has none
}

// LoadObject sets the variables and the sizes of maps and loads the object. The specification cannot be used again.
func LoadObject(name string, spec *ebpf.CollectionSpec, knobs []harness.Knob, at harness.Site, ringLines uint32) (*Object, error) {
	ncpu, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count possible CPUs: %w", err)
	}
	var set settings
	if err = setConfig(spec, at, ncpu); err == nil {
		set, err = setKnobs(spec, knobs)
	}
	if err == nil {
		err = sizeMaps(spec, &set, ncpu, ringLines)
	}
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", name, err)
	}
	coll, err := load(name, spec, nil)
	if err != nil {
		return nil, err
	}
	return &Object{Name: name, spec: spec, Coll: coll, Set: set}, nil
}

// load loads a specification. types caches the kernel's types and may be nil.
func load(name string, spec *ebpf.CollectionSpec, types *btf.Cache) (*ebpf.Collection, error) {
	if err := rlimit.RemoveMemlock(); err != nil { // kernels before 5.11 count maps against the limit
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	coll, err := newCollection(spec, types)
	if err != nil {
		return nil, explainLoad(name, spec.Types, err)
	}
	return coll, nil
}

// ProgramSpec is the specification of a program, with its section and attach type.
func (o *Object) ProgramSpec(name string) *ebpf.ProgramSpec { return o.spec.Programs[name] }

// Close unloads the object. Programs that are still attached stay in the kernel.
func (o *Object) Close() error {
	o.Coll.Close()
	return nil
}

// sizeMaps sets the sizes of the maps that depend on settings, and the settings that depend on the maps.
func sizeMaps(spec *ebpf.CollectionSpec, set *settings, ncpu int, ringLines uint32) error {
	if rings := spec.Maps["rings"]; rings != nil {
		rings.MaxEntries = max(rings.MaxEntries, cmp.Or(ringLines, defaultRingLines))
		rings.Flags |= unix.BPF_F_MMAPABLE
		set.RingLines = rings.MaxEntries
	}
	if tallies, v := spec.Maps["tallies"], spec.Variables["counters"]; tallies != nil && v != nil && variableValue(v) != 0 {
		tallies.MaxEntries = uint32(ncpu) * abi.LBTallies
	}
	for name, each := range map[string]uint32{"vip_cache": abi.LBVIPCache, "recent": abi.LBRecent} {
		if m := spec.Maps[name]; m != nil {
			m.MaxEntries = uint32(ncpu) * each
		}
	}
	has := false
	set.FlowSides = 1
	for name, m := range spec.Maps {
		if !IsFlows(name) || m.Type == ebpf.Array && spec.Variables["flow_entries"] == nil { // the latter: not a balancer's
			continue
		}
		has = true
		entries := set.FlowEntries
		if m.Type != ebpf.Array {
			m.MaxEntries = cmp.Or(entries, m.MaxEntries)
			set.FlowEntries = max(set.FlowEntries, m.MaxEntries)
			if translates(spec) {
				set.FlowSides = 2
			}
			continue
		}
		if entries == 0 || entries%flowsPerLine != 0 || entries > maxFlowEntries {
			return fmt.Errorf("flow_entries %d is not a multiple of %d up to %d", entries, flowsPerLine, maxFlowEntries)
		}
		tables := uint64(ncpu)
		if v := spec.Variables["flow_shared"]; v != nil && variableValue(v) != 0 {
			tables = 1
		}
		lines := tables * uint64(entries/flowsPerLine)
		if bytes := lines * uint64(m.ValueSize); bytes >= 1<<32 {
			return fmt.Errorf("flow_entries %d on %d CPUs takes %d bytes, more than a map can hold", entries, ncpu, bytes)
		}
		m.MaxEntries = uint32(lines)
		m.Flags |= unix.BPF_F_MMAPABLE
	}
	if !has {
		set.FlowEntries = 0
	}
	return nil
}

// translates is true if the programs see packets of both directions. The hash tables of such an object have an entry for
// each direction of a connection.
func translates(spec *ebpf.CollectionSpec) bool {
	for _, p := range spec.Programs {
		if p.Type == ebpf.XDP || p.Type == ebpf.SchedCLS {
			return true
		}
	}
	return false
}

// IsFlows is true for the name of a flow table.
func IsFlows(name string) bool { return name == "flows" || strings.HasPrefix(name, "flows_") }

// addFlowEntries adds the loader's size of flow tables to knobs without one, if the object's own size is larger.
func (a *Loader) addFlowEntries(spec *ebpf.CollectionSpec, knobs []harness.Knob) []harness.Knob {
	const name = "flow_entries"
	v := spec.Variables[name]
	set := slices.ContainsFunc(knobs, func(k harness.Knob) bool { return k.Name == name })
	if v == nil || a.flowEntries == 0 || set || variableValue(v) <= uint64(a.flowEntries) {
		return knobs
	}
	return append(slices.Clone(knobs), harness.Knob{Name: name, Value: uint64(a.flowEntries)})
}
