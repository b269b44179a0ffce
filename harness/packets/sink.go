// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness/netlab"
)

// A Mode is what a sink does with the stream's frames. All other frames pass in every mode.
type Mode string

// The modes of a sink.
const (
	Pass  Mode = "pass"  // nothing: they go where they were sent
	Count Mode = "count" // counts and ends them
	Track Mode = "track" // counts them, notes which real each flow went to, and ends them
)

// SinkOptions says which flows a sink can track: Flows numbers from FirstFlow. Packets of others are counted as unknown.
type SinkOptions struct {
	FirstFlow int
	Flows     int // 0: MaxFlows; each takes 4 bytes
}

// Counts is what a sink has received since its last reset.
type Counts struct {
	Reals []uint64 // packets, by the index of the real in its link address, up to the last that got any
	Other uint64   // packets of the stream that were not sent to a real
	Bytes uint64   // of all frames, Ethernet headers and outer headers included
}

// Total is how many packets arrived.
func (c Counts) Total() (n uint64) {
	for _, r := range c.Reals {
		n += r
	}
	return n + c.Other
}

// moves is what a tracking sink saw since its last reset.
type moves struct {
	Flows   uint64 // that were seen at more than one real
	Packets uint64 // of such flows, at another real than their first
	Seen    uint64 // flows seen at all
	Unknown uint64 // packets of flows that are not tracked
}

// A Sink stands on the fabric's side of a balancer's link and sees what the balancer sends. It opens in mode Pass. It is
// not safe for concurrent use.
type Sink struct {
	port   *netlab.Port
	coll   *ebpf.Collection
	counts *ebpf.Memory
	moved  *ebpf.Memory
	flows  *ebpf.Memory
	cpus   int
	track  int // flows
	// What had been counted at the last reset: counters in the kernel only grow.
	counts0 []abi.TrafficCount
	moved0  []abi.TrafficMoved
}

// OpenSink loads the sink's programs for a port.
func OpenSink(port *netlab.Port, opts SinkOptions) (*Sink, error) {
	if opts.Flows == 0 {
		opts.Flows = min(MaxFlows, maxFlow-opts.FirstFlow)
	}
	if opts.Flows < 0 || opts.FirstFlow < 0 || opts.FirstFlow+opts.Flows > maxFlow {
		return nil, fmt.Errorf("open sink: %d flows from %d do not exist", opts.Flows, opts.FirstFlow)
	}
	spec, err := bpf.Open("traffic/sink")
	if err != nil {
		return nil, err
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count CPUs: %w", err)
	}
	spec.Maps["counts"].MaxEntries = uint32(cpus * abi.TrafficSlots)
	spec.Maps["moved"].MaxEntries = uint32(cpus)
	spec.Maps["flows"].MaxEntries = uint32(opts.Flows+1) / 2
	for name, value := range map[string]int{"track_first": opts.FirstFlow, "track_flows": opts.Flows} {
		if err := spec.Variables[name].Set(uint32(value)); err != nil {
			return nil, fmt.Errorf("set %s of sink: %w", name, err)
		}
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load sink: %w", err)
	}
	s := &Sink{port: port, coll: coll, cpus: cpus, track: opts.Flows}
	for name, m := range map[string]**ebpf.Memory{"counts": &s.counts, "moved": &s.moved, "flows": &s.flows} {
		if *m, err = coll.Maps[name].Memory(); err != nil {
			coll.Close()
			return nil, fmt.Errorf("map %s of sink: %w", name, err)
		}
	}
	s.counts0, s.moved0 = make([]abi.TrafficCount, cpus*abi.TrafficSlots), make([]abi.TrafficMoved, cpus)
	return s, nil
}

// Mode changes what the sink does, at once and without a gap.
func (s *Sink) Mode(m Mode) error {
	switch m {
	case Pass:
		return s.port.SetXDP(nil)
	case Count, Track:
		return s.port.SetXDP(s.coll.Programs[string(m)])
	}
	return fmt.Errorf("set mode of sink: no mode %q", m)
}

// Counts reads the counters. It makes no system call and does not disturb what is being counted.
func (s *Sink) Counts() (c Counts, err error) {
	now := make([]abi.TrafficCount, len(s.counts0))
	if err := load(s.counts, now); err != nil {
		return c, err
	}
	reals, last := make([]uint64, abi.TrafficReals), -1
	for i, w := range now {
		w.Packets -= s.counts0[i].Packets
		c.Bytes += w.Bytes - s.counts0[i].Bytes
		switch slot := i % abi.TrafficSlots; {
		case w.Packets == 0:
		case slot < abi.TrafficReals:
			reals[slot] += w.Packets
			last = max(last, slot)
		default:
			c.Other += w.Packets
		}
	}
	c.Reals = reals[:last+1]
	return c, nil
}

// countMoves reads what mode Track has found.
func (s *Sink) countMoves() (m moves, err error) {
	now := make([]abi.TrafficMoved, s.cpus)
	if err := load(s.moved, now); err != nil {
		return m, err
	}
	for i, w := range now {
		m.Packets += w.Packets - s.moved0[i].Packets
		m.Flows += w.Flows - s.moved0[i].Flows
		m.Unknown += w.Unknown - s.moved0[i].Unknown
		m.Seen += w.Seen - s.moved0[i].Seen
	}
	return m, nil
}

// readFlows returns, for every tracked flow in order, the index of the real that its first packet went to: -1 if none came,
// 256 if it went to no real. moved says which flows changed it later; countMoves counts them.
func (s *Sink) readFlows() (first []int, moved []bool, err error) {
	words := make([]uint32, s.track)
	if err := load(s.flows, words); err != nil {
		return nil, nil, err
	}
	first, moved = make([]int, len(words)), make([]bool, len(words))
	for i, w := range words {
		first[i], moved[i] = int(w&abi.TrafficFlowReal)-1, w&abi.TrafficFlowMoved != 0
	}
	return first, moved, nil
}

// reset makes all counters 0 and forgets all flows. While packets arrive, some may be counted before or after.
func (s *Sink) reset() error {
	if err := load(s.counts, s.counts0); err != nil {
		return err
	}
	if err := load(s.moved, s.moved0); err != nil {
		return err
	}
	if _, err := s.flows.WriteAt(make([]byte, s.flows.Size()), 0); err != nil {
		return fmt.Errorf("reset flows of sink: %w", err)
	}
	return nil
}

// Close makes the port pass everything again and unloads the programs.
func (s *Sink) Close() error {
	err := s.port.SetXDP(nil)
	s.coll.Close()
	return err
}

// load copies the beginning of a mapped map into a slice.
func load[T abi.TrafficCount | abi.TrafficMoved | uint32](m *ebpf.Memory, to []T) error {
	var t T
	b := make([]byte, len(to)*int(unsafe.Sizeof(t)))
	if _, err := m.ReadAt(b, 0); err != nil {
		return fmt.Errorf("read sink: %w", err)
	}
	if _, err := binary.Decode(b, binary.NativeEndian, to); err != nil {
		return fmt.Errorf("read sink: %w", err)
	}
	return nil
}
