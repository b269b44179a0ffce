// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness/netlab"
)

// flowNumber returns the flow of a source; ok is false if no flow has it.
func flowNumber(source netip.AddrPort) (f int, ok bool) {
	family := netlab.Family(source.Addr())
	a := source.Addr().AsSlice()
	x := int(binary.BigEndian.Uint16(a[len(a)-2:])) & abi.TrafficHalfMask
	p := int(source.Port()) - abi.TrafficPort0
	if netlab.Source(family, x) != source.Addr() || p < 0 || p > abi.TrafficHalfMask {
		return 0, false
	}
	return (p^x)<<abi.TrafficHalfBits | x, true
}

// packets returns the numbers of the flows that the first n packets of the stream belong to if none is a SYN, in order.
func (s Stream) packets(n int) []int {
	p := s.plan()
	next, fresh, all := p.next, p.fresh0, make([]int, n)
	for i := range all {
		if s.Fresh {
			all[i] = int(fresh)
			if fresh++; fresh >= p.fresh1 {
				fresh = p.fresh0
			}
			continue
		}
		all[i] = int(p.first + next)
		if next += p.step; next >= p.flows {
			next -= p.flows
		}
	}
	return all
}

// moves are the counters of mode Track since the last reset.
type moves struct {
	Flows   uint64 // seen at more than one real
	Packets uint64 // of such flows, at another real than their first
	Seen    uint64 // flows seen at all
	Unknown uint64 // packets of flows that are not tracked
}

func (s *Sink) countMoves() (m moves, err error) {
	now := make([]abi.TrafficMoved, s.cpus)
	if err := load(s.moved, now); err != nil {
		return m, err
	}
	for _, w := range now {
		m.Packets += w.Packets
		m.Flows += w.Flows
		m.Unknown += w.Unknown
		m.Seen += w.Seen
	}
	return m, nil
}

// readFlows returns, for every tracked flow in order, the index of the real that its first packet went to: -1 if none came,
// 256 if it went to no real; and whether a later packet went to another one.
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

// reset clears all counters and flows. No packets may be under way.
func (s *Sink) reset() error {
	for _, m := range []*ebpf.Memory{s.counts, s.moved, s.flows} {
		if _, err := m.WriteAt(make([]byte, m.Size()), 0); err != nil {
			return fmt.Errorf("reset sink: %w", err)
		}
	}
	return nil
}
