// SPDX-License-Identifier: Apache-2.0

package control

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// drainTable returns a table of just-enough tracking with one service of four backends, and what it wrote.
func drainTable(t *testing.T) (*serviceTable, *fakeMaps, service.Service) {
	t.Helper()
	f := newFakeMaps()
	table := newServiceTable(f, 0, NewRendezvous(), 1<<16)
	s := testService(0, testBackend(0, 1), testBackend(1, 1), testBackend(2, 1), testBackend(3, 2))
	s.Spare = []service.Backend{testBackend(4, 1)}
	if err := table.update(s); err != nil {
		t.Fatal(err)
	}
	return table, f, s
}

// TestDrainRings: what just-enough tracking writes when a backend is drained. The first ring keeps the drained backend's
// slots for the connections it has and marks them; the second, for new connections, is the ring without it.
func TestDrainRings(t *testing.T) {
	table, f, s := drainTable(t)
	before, v := f.ring(s), f.vips[s.Key()]
	if v.Flags&abi.LBVIPDrains != 0 {
		t.Fatal("the service drains before anyone was drained")
	}
	s.Backends[1].Weight = 0
	if err := table.update(s); err != nil {
		t.Fatal(err)
	}
	v = f.vips[s.Key()]
	if v.Flags&abi.LBVIPDrains == 0 {
		t.Fatal("the service does not say that it has a second ring")
	}
	main, fresh := f.lines[v.RingLine], f.lines[v.RingLine+linesOf(len(before))]
	if len(main) != len(before) || len(fresh) != len(before) {
		t.Fatalf("rings of %d and %d slots, want %d", len(main), len(fresh), len(before))
	}
	gone := drainedReal(t, f, s)
	drained := 0
	for i := range before {
		was, is, next := before[i]&abi.LBSlotReal, main[i], fresh[i]&abi.LBSlotReal
		switch {
		case next == gone:
			t.Fatalf("slot %d: the ring for new connections leads to the drained backend", i)
		case was == gone:
			drained++
			if is != gone|abi.LBSlotDrain {
				t.Fatalf("slot %d: %#x, want the drained backend %d marked", i, is, gone)
			}
		case is&abi.LBSlotReal != was || next != was:
			t.Fatalf("slot %d: backend %d became %d and %d although it stays", i, was, is&abi.LBSlotReal, next)
		case is&(abi.LBSlotTrack|abi.LBSlotLook) == abi.LBSlotDrain:
			t.Fatalf("slot %d: %#x reads as drained and is not", i, is)
		}
	}
	if want := len(before) / 5; drained < want/2 || drained > want*2 {
		t.Errorf("%d slots of a fifth are drained, want about %d", drained, want)
	}
}

// drainedReal is the index of the service's only backend of weight 0.
func drainedReal(t *testing.T, f *fakeMaps, s service.Service) uint16 {
	t.Helper()
	for _, b := range s.Backends {
		for i, r := range f.reals {
			if b.Weight == 0 && r.id == NewID(b.Addr, bpfobj.Mac6(b.MAC)) {
				return i
			}
		}
	}
	t.Fatal("nobody is drained")
	return 0
}

// TestDrainEnds: the backend that comes back has just its old slots, and where new connections went meanwhile, they are
// looked up from then on; the drained one that goes for good leaves one ring.
func TestDrainEnds(t *testing.T) {
	table, f, s := drainTable(t)
	before := f.ring(s)
	whole := s.Backends
	s.Backends = append([]service.Backend(nil), whole...)
	s.Backends[1].Weight = 0
	if err := table.update(s); err != nil {
		t.Fatal(err)
	}
	gone := drainedReal(t, f, s)

	back := s
	back.Backends = whole
	if err := table.update(back); err != nil {
		t.Fatal(err)
	}
	if v := f.vips[s.Key()]; v.Flags&abi.LBVIPDrains != 0 {
		t.Error("the service still drains after its backend came back")
	}
	for i, slot := range f.ring(back) {
		if slot&abi.LBSlotReal != before[i]&abi.LBSlotReal {
			t.Fatalf("slot %d: %d, was %d before the drain", i, slot&abi.LBSlotReal, before[i]&abi.LBSlotReal)
		}
		if slot&abi.LBSlotReal == gone && slot&abi.LBSlotLook == 0 {
			t.Fatalf("slot %d: connections that began during the drain are not looked up", i)
		}
	}

	if err := table.update(s); err != nil {
		t.Fatal(err)
	}
	left := s
	left.Backends = []service.Backend{whole[0], whole[2], whole[3]}
	if err := table.update(left); err != nil {
		t.Fatal(err)
	}
	if v := f.vips[s.Key()]; v.Flags&abi.LBVIPDrains != 0 {
		t.Error("the service still drains after its backend went")
	}
	for i, slot := range f.ring(left) {
		if slot&abi.LBSlotReal == gone {
			t.Fatalf("slot %d: leads to the backend that went", i)
		}
	}
	if err := table.sync(t.Context(), nil); err != nil || len(table.rings) != 0 {
		t.Errorf("no services: %v, %d rings left", err, len(table.rings))
	}
}

// TestSetText: what decides a ring survives being written down.
func TestSetText(t *testing.T) {
	want := set{members: []Member{member(1, 3), member(2, 1)}, spares: []Member{member(3, 1)}, drained: []Member{member(4, 2)}}
	if diff := cmp.Diff(want, parseSet(want.format()), cmp.AllowUnexported(set{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	d := set{members: []Member{member(1, 3), member(2, 0), member(5, 0)}}.drain(want.format())
	if len(d.drained) != 1 || d.drained[0].ID != member(2, 1).ID || d.drained[0].Weight != 1 {
		t.Errorf("drained are %v, want member 2 with the weight it had", d.drained)
	}
	if again := (set{members: []Member{member(4, 0)}}).drain(want.format()); len(again.drained) != 1 || again.drained[0].Weight != 2 {
		t.Errorf("drained again are %v, want member 4 with the weight it had first", again.drained)
	}
	if got := (set{members: []Member{member(1, 0)}}).drain(""); len(got.drained) != 0 {
		t.Errorf("a new service drains %v", got.drained)
	}
}
