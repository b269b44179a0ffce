// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/binary"
	"fmt"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// A Tally is what a balancer forwarded for one service or to one real, on all CPUs: packets, and bytes of the IP packets as the
// client sent them.
type Tally = abi.LBTally

// Tallies are those of all services that are in force, and of the reals that they have or had. A service that was deleted and added
// again begins anew.
type Tallies struct {
	Services map[service.Key]Tally
	Reals    map[ID]Tally
}

// tallySize is the size of an element of the map tallies, bytes.
const tallySize = 16

// Tallies reads what was forwarded. Without the knob counters it returns harness.ErrNotSupported.
func (b *bpfBalancer) Tallies() (t Tallies, err error) {
	if !b.maps.tallied() {
		return t, harness.Skip("%s has no tallies: set the knob counters", b.obj.Name)
	}
	t = Tallies{Services: make(map[service.Key]Tally), Reals: make(map[ID]Tally)}
	for k, s := range b.services.services {
		if t.Services[k], err = b.maps.tally(serviceTally(s.generation)); err != nil {
			return t, err
		}
	}
	for i, u := range b.services.reals.used {
		if t.Reals[u.id], err = b.maps.tally(realTally(uint16(i))); err != nil {
			return t, err
		}
	}
	return t, nil
}

// serviceTally and realTally return the index of a tally in the part of a CPU.
func serviceTally(generation uint32) int { return int(generation % generationIndices) }
func realTally(index uint16) int         { return abi.LBGenerations + int(index) }

// tallied is true if the programs count packets and bytes.
func (m *lbMaps) tallied() bool {
	return m.tallies != nil && m.tallies.Size() >= tallySize*abi.LBTallies
}

// tallyParts returns the offsets of a tally in the parts of all CPUs.
func (m *lbMaps) tallyParts(i int) (at []int64) {
	if !m.tallied() {
		return nil
	}
	for off := i * tallySize; off+tallySize <= int(m.tallies.Size()); off += abi.LBTallies * tallySize {
		at = append(at, int64(off))
	}
	return at
}

// tally sums a tally over CPUs.
func (m *lbMaps) tally(i int) (sum Tally, err error) {
	var b [tallySize]byte
	for _, at := range m.tallyParts(i) {
		if _, err := m.tallies.ReadAt(b[:], at); err != nil {
			return sum, fmt.Errorf("read tallies of %s: %w", m.object, err)
		}
		sum.Packets += binary.NativeEndian.Uint64(b[:])
		sum.Bytes += binary.NativeEndian.Uint64(b[8:])
	}
	return sum, nil
}

// clearTally begins a tally anew. A packet that a program is counting at that moment may survive or be lost.
func (m *lbMaps) clearTally(i int) error {
	for _, at := range m.tallyParts(i) {
		if _, err := m.tallies.WriteAt(make([]byte, tallySize), at); err != nil {
			return fmt.Errorf("clear tally of %s: %w", m.object, err)
		}
	}
	return nil
}

// clearRealTally begins the tally of an index anew if another real has it now.
func (m *lbMaps) clearRealTally(index uint16, id ID) error {
	if old, ok := m.tallyOf[index]; ok && old != id {
		if err := m.clearTally(realTally(index)); err != nil {
			return err
		}
	}
	m.tallyOf[index] = id
	return nil
}
