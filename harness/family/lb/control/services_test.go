// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// fakeMaps stands for the maps: it keeps what was written and can be asked as a program would.
type fakeMaps struct {
	reals map[uint16]fakeReal
	lines map[uint32]Ring // by first line
	vips  map[service.Key]abi.LBVIP
	rings int // how many were written

	generations map[uint32]uint32 // in force, and their flags
	removed     map[abi.LBRemoved]bool
	room        int // for removed ones
}

type fakeReal struct {
	id   ID
	down bool
}

func newFakeMaps() *fakeMaps {
	return &fakeMaps{reals: map[uint16]fakeReal{}, lines: map[uint32]Ring{}, vips: map[service.Key]abi.LBVIP{},
		generations: map[uint32]uint32{}, removed: map[abi.LBRemoved]bool{}, room: 1000}
}

func (f *fakeMaps) writeReal(i uint16, id ID, down bool) error {
	f.reals[i] = fakeReal{id, down}
	return nil
}

func (f *fakeMaps) writeRing(first uint32, r Ring) error {
	for k, v := range f.vips {
		if v.RingSize > 0 && v.RingLine < first+linesOf(len(r)) && first < v.RingLine+linesOf(int(v.RingSize)) {
			return fmt.Errorf("ring at %d written over that of %s", first, k)
		}
	}
	for i, s := range r {
		if rl, ok := f.reals[s&abi.LBSlotReal]; !ok || rl.down {
			return fmt.Errorf("slot %d names real %d, which is not there or down", i, s&abi.LBSlotReal)
		}
	}
	f.rings++
	f.lines[first] = r
	return nil
}

func (f *fakeMaps) writeVIP(k service.Key, v abi.LBVIP) error {
	if v.RingSize > 0 && len(f.lines[v.RingLine]) != int(v.RingSize) {
		return fmt.Errorf("service %s names a ring that is not written", k)
	}
	f.vips[k] = v
	return nil
}

func (f *fakeMaps) deleteVIP(k service.Key) error {
	if _, ok := f.vips[k]; !ok {
		return fmt.Errorf("no service %s", k)
	}
	delete(f.vips, k)
	return nil
}

func (f *fakeMaps) writeRemoved(generation uint32, real uint16, is bool) error {
	key := abi.LBRemoved{Generation: generation, Real: uint32(real)}
	if is && len(f.removed) == f.room {
		return errFull
	}
	if f.removed[key] = is; !is {
		delete(f.removed, key)
	}
	return nil
}

func (f *fakeMaps) writeGeneration(generation, flags uint32, inForce bool) error {
	if f.generations[generation] = flags; !inForce {
		delete(f.generations, generation)
	}
	return nil
}

// holds is what a program would say to a flow of the service that remembers the real and a generation.
func (f *fakeMaps) holds(s service.Service, generation uint32, real uint16) bool {
	v, ok := f.vips[s.Key()]
	flags, inForce := f.generations[generation]
	return ok && inForce && v.Generation == generation && flags == v.Flags && !f.reals[real].down &&
		!(v.Flags&abi.LBVIPRemoved != 0 && f.removed[abi.LBRemoved{Generation: generation, Real: uint32(real)}])
}

// ring is what a program would go by.
func (f *fakeMaps) ring(s service.Service) Ring {
	return f.lines[f.vips[s.Key()].RingLine]
}

func testBackend(i, weight int) service.Backend {
	return service.Backend{
		Addr:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(1 + i/250), byte(1 + i%250)}), 80),
		MAC:    net.HardwareAddr{2, 0x4b, 0x58, 2, byte(i >> 8), byte(i)},
		Weight: weight,
	}
}

func testService(i int, backends ...service.Backend) service.Service {
	vip := netip.AddrFrom4([4]byte{198, 19, byte(128 + i/256), byte(i)})
	return service.Service{VIP: netip.AddrPortFrom(vip, 80), Proto: harness.TCP, Backends: backends}
}

func TestServicesShareRings(t *testing.T) {
	f := newFakeMaps()
	table := newServiceTable(f, 0, nil, 1<<16)
	ctx := context.Background()
	var all []service.Service
	for i := range 300 {
		all = append(all, testService(i, testBackend(i%2, 1), testBackend(1-i%2, 1)))
	}
	if err := table.sync(ctx, all); err != nil {
		t.Fatal(err)
	}
	if f.rings != 1 || len(f.reals) != 2 || len(f.vips) != 300 {
		t.Fatalf("300 equal services: %d rings, %d reals, %d vips; want 1, 2, 300", f.rings, len(f.reals), len(f.vips))
	}
	if err := table.sync(ctx, all); err != nil || f.rings != 1 {
		t.Errorf("the same again: %v, %d rings written; want none more", err, f.rings)
	}
	if err := table.sync(ctx, nil); err != nil || len(f.vips) != 0 || len(table.rings) != 0 {
		t.Errorf("no services: %v, %d vips and %d rings left", err, len(f.vips), len(table.rings))
	}
	for i, r := range f.reals {
		if !r.down {
			t.Errorf("real %d is not down after its last service went", i)
		}
	}
}

func TestServicesDrainAndRemove(t *testing.T) {
	f := newFakeMaps()
	table := newServiceTable(f, 0, nil, 1<<16)
	s := testService(0, testBackend(0, 1), testBackend(1, 1))
	steps := []struct {
		what     string
		backends []service.Backend
		slots    map[uint16]bool // reals that have slots
		down     map[uint16]bool
	}{
		{"two", []service.Backend{testBackend(0, 1), testBackend(1, 1)}, map[uint16]bool{0: true, 1: true}, nil},
		{"one drains", []service.Backend{testBackend(0, 1), testBackend(1, 0)}, map[uint16]bool{0: true}, nil},
		{"it goes", []service.Backend{testBackend(0, 1)}, map[uint16]bool{0: true}, map[uint16]bool{1: true}},
		{"another comes, at a new index", []service.Backend{testBackend(0, 1), testBackend(2, 1)}, map[uint16]bool{0: true, 2: true}, map[uint16]bool{1: true}},
		{"it comes back, at its old index", []service.Backend{testBackend(0, 1), testBackend(1, 1)}, map[uint16]bool{0: true, 1: true}, map[uint16]bool{2: true}},
		{"nobody", nil, nil, map[uint16]bool{0: true, 1: true, 2: true}},
	}
	for _, step := range steps {
		s.Backends = step.backends
		if err := table.update(s); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if size := f.vips[s.Key()].RingSize; (size == 0) != (len(step.slots) == 0) {
			t.Fatalf("%s: ring of %d slots", step.what, size)
		} else if size == 0 {
			continue
		}
		got := map[uint16]bool{}
		for _, slot := range f.ring(s) {
			got[slot&abi.LBSlotReal] = true
		}
		for i := range uint16(3) {
			if got[i] != step.slots[i] {
				t.Errorf("%s: real %d has slots: %v", step.what, i, got[i])
			}
			if f.reals[i].down != step.down[i] {
				t.Errorf("%s: real %d is down: %v", step.what, i, f.reals[i].down)
			}
		}
	}
}

func TestServicesLookWhereTracked(t *testing.T) {
	f := newFakeMaps()
	table := newServiceTable(f, 0, NewRendezvous(), 1<<16)
	s := testService(0, testBackend(0, 1), testBackend(1, 1))
	s.Spare = []service.Backend{testBackend(2, 1)}
	if err := table.update(s); err != nil {
		t.Fatal(err)
	}
	before := f.ring(s)
	s.Backends, s.Spare = append(s.Backends, s.Spare...), nil
	if err := table.update(s); err != nil {
		t.Fatal(err)
	}
	after := f.ring(s)
	for i := range before {
		if (before[i]&abi.LBSlotTrack != 0) != (after[i]&abi.LBSlotLook != 0) || after[i]&abi.LBSlotTrack != 0 {
			t.Fatalf("slot %d: %#x before, %#x after", i, before[i], after[i])
		}
	}
	if err := table.flushed(); err != nil {
		t.Fatal(err)
	}
	for i, slot := range f.ring(s) {
		if slot != after[i]&^abi.LBSlotLook {
			t.Fatalf("slot %d: %#x after the flush, want %#x", i, slot, after[i]&^abi.LBSlotLook)
		}
	}
}

func TestServicesRefuse(t *testing.T) {
	good := testService(0, testBackend(0, 1))
	change := func(f func(*service.Service)) []service.Service {
		s := testService(1, testBackend(0, 1))
		f(&s)
		return []service.Service{good, s}
	}
	for name, list := range map[string][]service.Service{
		"twice":          {good, good},
		"protocol":       change(func(s *service.Service) { s.Proto = 132 }),
		"no address":     change(func(s *service.Service) { s.VIP = netip.AddrPort{} }),
		"mapped address": change(func(s *service.Service) { s.VIP = netip.MustParseAddrPort("[::ffff:198.19.0.1]:80") }),
		"weight":         change(func(s *service.Service) { s.Backends[0].Weight = -1 }),
		"mac":            change(func(s *service.Service) { s.Backends[0].MAC = net.HardwareAddr{1} }),
		"same backend":   change(func(s *service.Service) { s.Backends = append(s.Backends, s.Backends[0]) }),
	} {
		f := newFakeMaps()
		if err := newServiceTable(f, 0, nil, 1<<16).sync(context.Background(), list); err == nil || len(f.vips) != 0 {
			t.Errorf("%s: error %v, %d services written; want an error and none", name, err, len(f.vips))
		}
	}
}

func TestRealsKeepTheirIndexForAGrace(t *testing.T) {
	now := time.Unix(0, 0)
	table := newRealTable(func() time.Time { return now })
	for i := range abi.LBMaxReals {
		if _, _, err := table.acquire(ID{byte(i), byte(i >> 8)}); err != nil {
			t.Fatal(err)
		}
	}
	table.release(5)
	fresh := ID{24: 1}
	if i, _, err := table.acquire(fresh); err == nil {
		t.Fatalf("index %d reused at once", i)
	}
	now = now.Add(realGrace)
	if i, _, err := table.acquire(fresh); err != nil || i != 5 {
		t.Fatalf("after the grace: index %d, %v; want 5", i, err)
	}
	table.release(7)
	table.flushed()
	if i, _, err := table.acquire(ID{24: 2}); err != nil || i != 7 {
		t.Fatalf("after a flush: index %d, %v; want 7", i, err)
	}
}

func TestLinesComeBack(t *testing.T) {
	now := time.Unix(0, 0)
	table := newLineTable(100, func() time.Time { return now }, func(d time.Duration) { now = now.Add(d) })
	var firsts []uint32
	for range 10 {
		f, err := table.alloc(10)
		if err != nil {
			t.Fatal(err)
		}
		firsts = append(firsts, f)
	}
	if _, err := table.alloc(1); err == nil {
		t.Error("101 lines of 100: no error")
	}
	table.release(firsts[2], 10)
	table.release(firsts[3], 10)
	before := now
	if f, err := table.alloc(20); err != nil || f != firsts[2] {
		t.Errorf("two neighbours joined: %d, %v; want %d", f, err, firsts[2])
	}
	if now.Sub(before) < lineGrace {
		t.Error("lines reused while they may be read")
	}
}
