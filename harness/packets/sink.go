// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// A Mode is what a sink does with the stream's frames. All other frames pass in every mode.
type Mode string

// The modes of a sink.
const (
	Pass  Mode = "pass"  // pass them on
	Count Mode = "count" // count and drop them
	Track Mode = "track" // count them, record the real of each flow, and drop them
)

// SinkOptions are the flows that a sink can track: Flows numbers from FirstFlow. Packets of others are counted as unknown.
type SinkOptions struct {
	FirstFlow int
	Flows     int // 0: MaxFlows; each takes 4 bytes
}

// Counts are the frames that a sink has received.
type Counts struct {
	Reals []uint64 // packets, by the index of the real in its link address, up to the last real with any
	Other uint64   // packets of the stream that were not sent to a real
	Bytes uint64   // of all frames, Ethernet headers and outer headers included
}

// Total is the number of packets.
func (c Counts) Total() (n uint64) {
	for _, r := range c.Reals {
		n += r
	}
	return n + c.Other
}

// A Sink is attached to the fabric's side of a balancer's link and receives the frames that the balancer sends. It opens in
// mode Pass. It is not safe for concurrent use.
type Sink struct {
	port   *netlab.Port
	coll   *ebpf.Collection
	counts *ebpf.Memory
	moved  *ebpf.Memory
	flows  *ebpf.Memory
	cpus   int
	track  int // flows
}

// OpenSink loads the sink's programs for a port.
func OpenSink(port *netlab.Port, opts SinkOptions) (*Sink, error) {
	if opts.Flows == 0 {
		opts.Flows = min(MaxFlows, maxFlow-opts.FirstFlow)
	}
	if opts.Flows < 0 || opts.FirstFlow < 0 || opts.FirstFlow+opts.Flows > maxFlow {
		return nil, fmt.Errorf("open sink: %d flows from %d, want numbers from 0 to %d", opts.Flows, opts.FirstFlow, maxFlow-1)
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
	return s, nil
}

// Mode changes the mode atomically: no frame passes between two programs.
func (s *Sink) Mode(m Mode) error {
	switch m {
	case Pass:
		return s.port.SetXDP(nil)
	case Count, Track:
		return s.port.SetXDP(s.coll.Programs[string(m)])
	}
	return fmt.Errorf("set mode of sink: no mode %q", m)
}

// Counts reads the counters without a system call.
func (s *Sink) Counts() (c Counts, err error) {
	now := make([]abi.TrafficCount, s.cpus*abi.TrafficSlots)
	if err := load(s.counts, now); err != nil {
		return c, err
	}
	reals, last := make([]uint64, abi.TrafficReals), -1
	for i, w := range now {
		c.Bytes += w.Bytes
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

// Close makes the port pass all frames again and unloads the programs.
func (s *Sink) Close() error {
	err := s.port.SetXDP(nil)
	s.coll.Close()
	return err
}

// load copies the beginning of a mapped map into a slice.
func load[T abi.TrafficCount | abi.TrafficMoved | uint32](m *ebpf.Memory, to []T) error {
	var t T
	b := make([]byte, len(to)*int(unsafe.Sizeof(t)))
	_, err := m.ReadAt(b, 0)
	if err == nil {
		_, err = binary.Decode(b, binary.NativeEndian, to)
	}
	return harness.Wrap(err, "read sink")
}
