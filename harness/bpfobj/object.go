// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/kxlab/kxlab/harness"
)

// defaultRingLines is the room for rings in an object: 64 MiB, which holds 4,096 distinct rings of 8191 slots.
const defaultRingLines = 1 << 20

// flowsPerLine is how many connections stand in one line of a flow table that is an array.
const flowsPerLine = 8

// maxFlowEntries is how many connections the bits of a hash that select a line tell apart (bpf/include/flow.bpf.h).
const maxFlowEntries = flowsPerLine << 24

// An Object is a loaded BPF object: its programs and maps are in the kernel, attached to nothing.
type Object struct {
	Name string
	spec *ebpf.CollectionSpec // as it was loaded; programs' sections and attach types
	Coll *ebpf.Collection
	Set  settings
}

// settings are what the variables of an object say to the control plane.
type settings struct {
	FlowEntries uint32 // entries of one flow table; 0: there is none
	FlowSides   uint32 // entries that a connection takes
	RingSize    int    // slots of every ring; 0: by the number of backends
	Jet         bool   // rings by rendezvous, with the slots to track marked
	RingLines   uint32 // room for rings; 0: the object has none
}

// LoadObject sets the variables and the sizes of maps in the specification and loads it. The specification is used up.
func LoadObject(name string, spec *ebpf.CollectionSpec, knobs []harness.Knob, at harness.Site, ringLines uint32) (*Object, error) {
	ncpu, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count possible CPUs: %w", err)
	}
	if err := setConfig(spec, at, ncpu); err != nil {
		return nil, fmt.Errorf("configure %s: %w", name, err)
	}
	set, err := setKnobs(spec, knobs)
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", name, err)
	}
	if err := sizeMaps(spec, &set, ncpu, ringLines); err != nil {
		return nil, fmt.Errorf("configure %s: %w", name, err)
	}
	if err := rlimit.RemoveMemlock(); err != nil { // kernels before 5.11 count maps against it
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, explainLoad(name, spec.Types, err)
	}
	return &Object{Name: name, spec: spec, Coll: coll, Set: set}, nil
}

// Close unloads the object. Programs that are still attached live on.
func (o *Object) Close() error {
	o.Coll.Close()
	return nil
}

// sizeMaps gives the maps whose sizes depend on settings their sizes.
func sizeMaps(spec *ebpf.CollectionSpec, set *settings, ncpu int, ringLines uint32) error {
	if rings := spec.Maps["rings"]; rings != nil {
		if ringLines == 0 {
			ringLines = defaultRingLines
		}
		rings.MaxEntries = max(rings.MaxEntries, ringLines)
		rings.Flags |= mmapable
		set.RingLines = rings.MaxEntries
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
			if entries > 0 {
				m.MaxEntries = entries
			}
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
		m.Flags |= mmapable
	}
	if !has {
		set.FlowEntries = 0
	}
	return nil
}

// translates reports whether the programs see packets of both directions. Such an object, if its flow tables are hash
// tables, has an entry for each direction of a connection.
func translates(spec *ebpf.CollectionSpec) bool {
	for _, p := range spec.Programs {
		if p.Type == ebpf.XDP || p.Type == ebpf.SchedCLS {
			return true
		}
	}
	return false
}

// IsFlows reports whether a map of this name remembers connections.
func IsFlows(name string) bool { return name == "flows" || strings.HasPrefix(name, "flows_") }

// sized adds the size of flow tables to the knobs of an object that has such tables and no such knob.
func (a *Loader) AddFlowEntries(spec *ebpf.CollectionSpec, knobs []harness.Knob) []harness.Knob {
	v := spec.Variables["flow_entries"]
	given := slices.ContainsFunc(knobs, func(k harness.Knob) bool { return k.Name == "flow_entries" })
	if v == nil || a.flowEntries == 0 || given || variableValue(v) <= uint64(a.flowEntries) {
		return knobs
	}
	return append(slices.Clone(knobs), harness.Knob{Name: "flow_entries", Value: uint64(a.flowEntries)})
}
