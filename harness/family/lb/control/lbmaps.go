// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// The structs of bpf/include/lb.h. Fields of the network's byte order are byte arrays here. A test compares sizes and
// offsets with the types in the compiled objects.
type (
	lbVIP4 struct {
		Addr  [4]byte
		Port  [2]byte
		Proto uint8
		Pad   uint8
	}
	lbVIP6 struct {
		Addr  [16]byte
		Port  [2]byte
		Proto uint8
		Pad   uint8
	}
	lbVIP struct {
		RingSize   uint32
		RingLine   uint32
		Flags      uint32
		Generation uint32
	}
	lbGeneration struct {
		Generation uint32
		Flags      uint32
	}
	lbRemoved struct {
		Generation uint32
		Real       uint32
	}
	lbLine struct {
		Slot [slotsPerLine]uint16
	}
	lbReal struct {
		Addr  [16]byte
		MAC   [6]byte
		Port  [2]byte
		Flags uint32
		Pad   uint32
	}
)

// Flags of lbVIP.
const (
	lbVIPDrains  = 1
	lbVIPRemoved = 2
)

// Flags of lbReal.
const (
	lbRealV6   = 1
	lbRealDown = 2
)

// lbStats names the counters of enum lb_stat, in its order.
var lbStats = [...]string{
	"packets", "new", "flood", "icmp", "toobig",
	"drop_fragment", "drop_options", "drop_malformed", "drop_noreal", "drop_toolong",
	"noroute", "return", "pass",
}

// lineSize is the size of an lbLine in bytes.
const lineSize = 2 * slotsPerLine

// lbMaps are the maps of a loaded object that the control plane writes and reads. Those that the object does not
// declare are nil.
type lbMaps struct {
	object               string
	vips4, vips6         *ebpf.Map
	reals, stats         *ebpf.Map
	generations, removed *ebpf.Map
	rings                *ebpf.Memory
	flows                []*ebpf.Map
	line                 []byte // scratch
}

// newLBMaps finds the maps by their names. The maps stay the collection's.
func newLBMaps(object string, c *ebpf.Collection) (*lbMaps, error) {
	m := &lbMaps{
		object: object,
		vips4:  c.Maps["vips4"], vips6: c.Maps["vips6"],
		reals: c.Maps["reals"], stats: c.Maps["stats"],
		generations: c.Maps["generations"], removed: c.Maps["removed"],
	}
	if rings := c.Maps["rings"]; rings != nil {
		var err error
		if m.rings, err = rings.Memory(); err != nil {
			return nil, fmt.Errorf("map rings of %s: %w", object, err)
		}
	}
	for name, fm := range c.Maps {
		if bpfobj.IsFlows(name) {
			m.flows = append(m.flows, fm)
		}
	}
	return m, nil
}

func (m *lbMaps) writeReal(index uint16, id ID, down bool) error {
	if m.reals == nil {
		return nil
	}
	var r lbReal
	addr := netip.AddrFrom16([16]byte(id[:16]))
	if addr.Is4In6() {
		copy(r.Addr[:], id[12:16])
	} else {
		copy(r.Addr[:], id[:16])
		r.Flags |= lbRealV6
	}
	copy(r.Port[:], id[16:18])
	copy(r.MAC[:], id[18:24])
	if down {
		r.Flags |= lbRealDown
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

// vipKey returns the map of the service and its key in it. The map is nil if the object knows no services at all.
func (m *lbMaps) vipKey(k service.Key) (*ebpf.Map, any, error) {
	port := [2]byte(binary.BigEndian.AppendUint16(nil, k.VIP.Port()))
	if k.VIP.Addr().Is4() {
		if m.vips4 == nil && m.vips6 != nil {
			return nil, nil, harness.Skip("%s knows no IPv4 services", m.object)
		}
		return m.vips4, &lbVIP4{Addr: k.VIP.Addr().As4(), Port: port, Proto: uint8(k.Proto)}, nil
	}
	if m.vips6 == nil && m.vips4 != nil {
		return nil, nil, harness.Skip("%s knows no IPv6 services", m.object)
	}
	return m.vips6, &lbVIP6{Addr: k.VIP.Addr().As16(), Port: port, Proto: uint8(k.Proto)}, nil
}

func (m *lbMaps) writeVIP(k service.Key, v lbVIP) error {
	vips, key, err := m.vipKey(k)
	if err != nil || vips == nil {
		return err
	}
	err = vips.Put(key, &v)
	if err != nil && errors.Is(err, errFull) {
		return fmt.Errorf("write service: the object has room for %d: %w", vips.MaxEntries(), err)
	}
	if err != nil {
		return fmt.Errorf("write service: %w", err)
	}
	return nil
}

func (m *lbMaps) deleteVIP(k service.Key) error {
	vips, key, err := m.vipKey(k)
	if err != nil || vips == nil {
		return err
	}
	if err := vips.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("delete service: %w", err)
	}
	return nil
}

// counters sums the statistics over CPUs.
func (m *lbMaps) counters() (map[string]uint64, error) {
	counts := make(map[string]uint64, len(lbStats))
	if m.stats == nil {
		return counts, nil
	}
	for i, name := range lbStats {
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
