// SPDX-License-Identifier: Apache-2.0

package laps

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
)

// Types are the types of programs that can be timed on a packet.
func Types() []ebpf.ProgramType { return []ebpf.ProgramType{ebpf.XDP, ebpf.SchedCLS} }

// newSame loads the loop that gives every run the same packet (bpf/traffic/same.bpf.c).
func newSame(t Traffic) (*loop, error) {
	if len(t.Packet) > abi.SamePacket {
		return nil, fmt.Errorf("time programs on a packet of %d bytes: at most %d", len(t.Packet), abi.SamePacket)
	}
	suffix := "xdp"
	if t.Like.Type == ebpf.SchedCLS {
		suffix = "tc"
	}
	spec, err := bpf.Open("traffic/same")
	if err != nil {
		return nil, err
	}
	l := &loop{program: "same_" + suffix, stub: "stub_" + suffix, placing: suffix + "_under_test", packet: t.Packet, flows: 1, same: true}
	var packet [abi.SamePacket]byte
	copy(packet[:], t.Packet)
	for name, value := range map[string]any{"packet": packet, "packet_size": uint32(len(t.Packet)), "turn_packets": uint32(turnPackets)} {
		if err := spec.Variables[name].Set(value); err != nil {
			return nil, fmt.Errorf("set %s of the timing loop: %w", name, err)
		}
	}
	if err := l.load(spec, t.Like); err != nil {
		return nil, err
	}
	return l, nil
}

// broken returns an error if a packet could not be restored since the loop was loaded.
func (l *loop) broken() error {
	var failed uint32
	if err := l.coll.Variables["failed"].Get(&failed); err != nil {
		return fmt.Errorf("read timing loop: %w", err)
	}
	if failed != 0 {
		return harness.Skip("a program cannot be given its packet again: it moves the end that the timing loop does not restore, or runs out of room; take target exact")
	}
	return nil
}
