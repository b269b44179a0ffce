// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// lineSize is the size of a line of a ring in bytes.
const lineSize = 2 * abi.LBSlotsPerLine

// lbMaps are the maps of a loaded object that the control plane uses. A map that the object does not declare is nil.
type lbMaps struct {
	object               string
	vips4, vips6         *ebpf.Map
	reals, stats         *ebpf.Map
	generations, removed *ebpf.Map
	rings, tallies       *ebpf.Memory
	tallyOf              map[uint16]ID // whose tally an index of reals holds
	flows                []*ebpf.Map
	epoch                *ebpf.Variable // of the programs' cache of services
	epochs               uint64         // its value
	line                 []byte         // scratch
}

// newLBMaps finds the maps by their names. The collection still owns them.
func newLBMaps(object string, c *ebpf.Collection) (*lbMaps, error) {
	m := &lbMaps{
		object: object,
		vips4:  c.Maps["vips4"], vips6: c.Maps["vips6"],
		reals: c.Maps["reals"], stats: c.Maps["stats"],
		generations: c.Maps["generations"], removed: c.Maps["removed"],
		tallyOf: make(map[uint16]ID), epoch: c.Variables["vips_epoch"],
	}
	for name, at := range map[string]**ebpf.Memory{"rings": &m.rings, "tallies": &m.tallies} {
		shared := c.Maps[name]
		if shared == nil {
			continue
		}
		var err error
		if *at, err = shared.Memory(); err != nil {
			return nil, fmt.Errorf("map %s of %s: %w", name, object, err)
		}
	}
	for name, fm := range c.Maps {
		if bpfobj.IsFlows(name) || name == "recent" {
			m.flows = append(m.flows, fm)
		}
	}
	return m, nil
}

func (m *lbMaps) writeReal(index uint16, id ID, down bool) error {
	if m.reals == nil {
		return nil
	}
	var r abi.LBReal
	addr := netip.AddrFrom16([16]byte(id[:16]))
	if addr.Is4In6() {
		copy(r.Addr[:], id[12:16])
	} else {
		copy(r.Addr[:], id[:16])
		r.Flags |= abi.LBRealV6
	}
	copy(r.Port[:], id[16:18])
	copy(r.MAC[:], id[18:24])
	if down {
		r.Flags |= abi.LBRealDown
	} else if err := m.clearRealTally(index, id); err != nil {
		return err
	}
	if err := m.reals.Put(uint32(index), &r); err != nil {
		return fmt.Errorf("write real %s: %w", addr.Unmap(), err)
	}
	return nil
}

func (m *lbMaps) writeRing(first uint32, r Ring) error {
	if m.rings == nil {
		return nil
	}
	m.line = m.line[:0]
	for _, slot := range r {
		m.line = binary.NativeEndian.AppendUint16(m.line, slot)
	}
	if _, err := m.rings.WriteAt(m.line, int64(first)*lineSize); err != nil {
		return fmt.Errorf("write ring at line %d: %w", first, err)
	}
	return nil
}

// vipKey returns the map of the service and its key in it. The map is nil if the object has no services at all.
func (m *lbMaps) vipKey(k service.Key) (*ebpf.Map, any, error) {
	port := [2]byte(binary.BigEndian.AppendUint16(nil, k.VIP.Port()))
	if k.VIP.Addr().Is4() {
		if m.vips4 == nil && m.vips6 != nil {
			return nil, nil, harness.Skip("%s supports no IPv4 services", m.object)
		}
		return m.vips4, &abi.LBVIP4{Addr: k.VIP.Addr().As4(), Port: port, Proto: uint8(k.Proto)}, nil
	}
	if m.vips6 == nil && m.vips4 != nil {
		return nil, nil, harness.Skip("%s supports no IPv6 services", m.object)
	}
	return m.vips6, &abi.LBVIP6{Addr: k.VIP.Addr().As16(), Port: port, Proto: uint8(k.Proto)}, nil
}

func (m *lbMaps) writeVIP(k service.Key, v abi.LBVIP) error {
	vips, key, err := m.vipKey(k)
	if err != nil || vips == nil {
		return err
	}
	switch err := vips.Put(key, &v); {
	case errors.Is(err, errFull):
		return fmt.Errorf("write service: the object has room for %d: %w", vips.MaxEntries(), err)
	case err != nil:
		return fmt.Errorf("write service: %w", err)
	}
	return m.raiseEpoch()
}

// raiseEpoch makes programs look up services anew that they have in a cache.
func (m *lbMaps) raiseEpoch() error {
	if m.epoch == nil {
		return nil
	}
	m.epochs++
	return harness.Wrap(m.epoch.Set(m.epochs), "raise epoch of services")
}

func (m *lbMaps) deleteVIP(k service.Key) error {
	vips, key, err := m.vipKey(k)
	if err != nil || vips == nil {
		return err
	}
	if err := vips.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("delete service: %w", err)
	}
	return m.raiseEpoch()
}

// counters sums the statistics over CPUs.
func (m *lbMaps) counters() (map[string]uint64, error) {
	counts := make(map[string]uint64, len(abi.LBStatNames))
	if m.stats == nil {
		return counts, nil
	}
	for i, name := range abi.LBStatNames {
		var perCPU []uint64
		if err := m.stats.Lookup(uint32(i), &perCPU); err != nil {
			return nil, fmt.Errorf("read counter %s of %s: %w", name, m.object, err)
		}
		for _, n := range perCPU {
			counts[name] += n
		}
	}
	return counts, nil
}
