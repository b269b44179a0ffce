// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// TestFlowsHoldForServiceAndReal: what a flow remembers, its service's generation and its real, holds as long as both
// are what they were, whatever other services have.
func TestFlowsHoldForServiceAndReal(t *testing.T) {
	a, b, c := testBackend(0, 1), testBackend(1, 1), testBackend(2, 1)
	tcp := testService(0, a, b)
	udp := tcp
	udp.Proto = harness.UDP
	same := func(s service.Service, backends ...service.Backend) service.Service { s.Backends = backends; return s }
	drained := same(udp, testBackend(0, 0), b)
	for _, tt := range []struct {
		what  string
		steps [][]service.Service // after tcp and udp
		flush bool
		holds bool // for a flow of udp to a
		room  int
	}{
		{"nothing", [][]service.Service{{tcp, udp}}, false, true, 9},
		{"the other service was deleted", [][]service.Service{{udp}}, false, true, 9},
		{"the other service lost the real", [][]service.Service{{same(tcp, b), udp}}, false, true, 9},
		{"drained", [][]service.Service{{tcp, drained}}, false, true, 9},
		{"another real taken out", [][]service.Service{{tcp, same(udp, a)}}, false, true, 9},
		{"taken out", [][]service.Service{{tcp, same(udp, b)}}, false, false, 9},
		{"taken out, and others changed later", [][]service.Service{{tcp, same(udp, b)}, {tcp, same(udp, c)}}, false, false, 9},
		{"drained, then taken out", [][]service.Service{{tcp, drained}, {tcp, same(udp, b)}}, false, false, 9},
		{"taken out and put back", [][]service.Service{{tcp, same(udp, b)}, {tcp, udp}}, false, true, 9},
		{"all taken out", [][]service.Service{{tcp, same(udp)}}, false, false, 9},
		{"taken out of all, added to another", [][]service.Service{{same(tcp, b), same(udp, b)}, {tcp, same(udp, b)}}, false, false, 9},
		{"deleted", [][]service.Service{{tcp}}, false, false, 9},
		{"deleted and added again", [][]service.Service{{tcp}, {tcp, udp}}, false, false, 9},
		{"no room to say that another real was taken out", [][]service.Service{{tcp, same(udp, a)}}, false, false, 0},
		{"no room, taken out", [][]service.Service{{tcp, same(udp, b)}}, false, false, 0},
	} {
		f := newFakeMaps()
		f.room = tt.room
		table := newServiceTable(f, 0, nil, 1<<16)
		if err := table.sync(t.Context(), []service.Service{tcp, udp}); err != nil {
			t.Fatal(err)
		}
		key := udp.Key()
		generation, real := f.vips[key].Generation, table.reals.byID[NewID(a.Addr, bpfobj.Mac6(a.MAC))]
		if !f.holds(udp, generation, real) {
			t.Fatal("a flow that has just begun does not hold")
		}
		for _, step := range tt.steps {
			if err := table.sync(t.Context(), step); err != nil {
				t.Fatalf("%s: %v", tt.what, err)
			}
		}
		if got := f.holds(udp, generation, real); got != tt.holds {
			t.Errorf("%s: the flow holds: %v, want %v", tt.what, got, tt.holds)
		}
		// A flow that begins now holds, and nothing is left when all is gone.
		if s := table.services[key]; s != nil && len(s.reals) > 0 {
			if last := s.reals[len(s.reals)-1]; !f.holds(udp, s.generation, last) {
				t.Errorf("%s: a flow that begins now does not hold", tt.what)
			}
		}
		if err := table.flushed(); err != nil || len(f.removed) > 0 {
			t.Errorf("%s: after a flush: %v, %d entries of reals taken out", tt.what, err, len(f.removed))
		}
		if err := table.sync(t.Context(), nil); err != nil || len(f.removed)+len(f.generations) > 0 {
			t.Errorf("%s: without services: %v, %v and %v left", tt.what, err, f.removed, f.generations)
		}
	}
}

// TestGenerationsAreNotReused: neither while in use nor soon after.
func TestGenerationsAreNotReused(t *testing.T) {
	table := generationTable{last: 1<<32 - 3, inUse: map[uint32]bool{1: true}}
	var got []uint32
	for range 3 {
		g, err := table.next()
		if err != nil {
			t.Fatal(err)
		}
		table.release(g)
		got = append(got, g)
	}
	if want := []uint32{1<<32 - 2, 1<<32 - 1, 2}; !slices.Equal(got, want) {
		t.Errorf("generations %d, want %d: none of 0, whatever index is in use", got, want)
	}
}
