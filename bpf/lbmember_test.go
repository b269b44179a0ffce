// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFlowKeepsToItsService: a flow is remembered while its service and its real's place in that service last. All that
// is changed is told by the maps of the service: the real stays up, as another service's backend.
func TestFlowKeepsToItsService(t *testing.T) {
	for _, object := range append(slices.Clone(balancers), "lb/tc_ipip") {
		pin(t)
		r := newRig(t, rigSpec{Object: object, Services: 2, Reals: 2})
		to := func(s segment) int {
			verdict, out := r.run(t, s.bytes())
			if want := verdictOf(object, xdpTX); verdict != want {
				return -1
			}
			return realOf(out)
		}
		for _, s := range []segment{tcp(4), udp(4), tcp(6), udp(6)} {
			family := 4
			if s.src.Is6() {
				family = 6
			}
			v := testVIP{RingSize: ringSize, Generation: generation(0)}
			other := s.to(vip(family, 1), 80)
			for _, c := range []struct {
				what       string
				do         func()
				want, left int // the flow's real, and that of the other service's
			}{
				{"another ring", func() {}, 0, 0},
				{"the service was written again", func() { setVIP(t, r.Collection, family, 0, &v) }, 0, 0},
				{"the service was deleted", func() { setVIP(t, r.Collection, family, 0, nil) }, -1, 0},
				{"the service was deleted and added again", func() {
					setVIP(t, r.Collection, family, 0, &testVIP{RingSize: ringSize, Generation: 77})
				}, 1, 0},
				{"its real was taken out of the service", func() { takeOut(t, r.Collection, family, 0, 0, v) }, 1, 0},
				{"another real was taken out of the service", func() { takeOut(t, r.Collection, family, 0, 7, v) }, 0, 0},
				{"its real was taken out of another service", func() {
					takeOut(t, r.Collection, family, 1, 0, testVIP{RingSize: ringSize, Generation: generation(1)})
				}, 0, 1},
			} {
				r.forget(t)
				r.setRing(t, 0, slotTrack|slotLook)
				if a, b := to(s), to(other); a != 0 || b != 0 {
					t.Fatalf("flows begin at reals %d and %d, want 0", a, b)
				}
				r.setRing(t, 1, slotTrack|slotLook)
				c.do()
				if a, b := to(s), to(other); a != c.want || b != c.left {
					t.Errorf("%s, protocol %d, v%d: %s: flows at reals %d and %d, want %d and %d", object, s.proto,
						family, c.what, a, b, c.want, c.left)
				}
				for i := range 2 {
					_ = r.Maps["removed"].Delete(testRemoved{Generation: generation(i), Real: 0})
					_ = r.Maps["removed"].Delete(testRemoved{Generation: generation(i), Real: 7})
					setVIP(t, r.Collection, family, i, &testVIP{RingSize: ringSize, Generation: generation(i)})
				}
			}
		}
	}
}

// TestNATKeepsToService: the same of translations, whose entries are found before the service is looked up.
func TestNATKeepsToService(t *testing.T) {
	eachNAT(t, 4, nil, func(t *testing.T, r *natRig, family int) {
		for i, s := range []segment{tcp(family), udp(family)} {
			s = s.from(20+i, 2000)
			other := s.to(vip(family, 1), 80).from(30+i, 2000)
			r.setRings(t, 0)
			first, kept := r.send(t, s), r.send(t, other)
			r.setRings(t, 1)
			index := uint32(first)
			if family == 6 {
				index += uint32(r.reals)
			}
			r.put(t, "removed", testRemoved{Generation: generation(0), Real: index}, uint32(0))
			r.setService(t, 0, generation(0), vipRemoved)
			r.answers(t, s, first) // what it was asked before
			second := r.send(t, s)
			if second == first {
				t.Errorf("protocol %d: its real was taken out of the service, and the flow stayed", s.proto)
			}
			if now := r.send(t, other); now != kept {
				t.Errorf("protocol %d: the other service's flow moved from real %d to %d", s.proto, kept, now)
			}

			r.setService(t, 0, 0, 0)
			about := s.to(realAddr(family, second), 8080).hop()
			for what, frame := range map[string][]byte{
				"packet": s.bytes(), "answer": fromReal(second, about.answer().packet()),
				"error": pathError(family, about, second, 1<<16),
			} {
				r.passes(t, fmt.Sprintf("protocol %d: %s, the service was deleted", s.proto, what), frame)
			}
			cut := s.bytes()
			r.passes(t, "cut short, the service was deleted", cut[:len(cut)-1])

			r.setRings(t, 2)
			r.setService(t, 0, 1<<18|generation(0), 0) // with the same index
			if now := r.send(t, s); now == second {
				t.Errorf("protocol %d: the service was deleted and added again, and the flow stayed", s.proto)
			}
			r.setService(t, 0, generation(0), 0)
			_ = r.Maps["removed"].Delete(testRemoved{Generation: generation(0), Real: index})
		}
	})
}

// TestNATKeepsBitsOfTheOtherCPU: one direction's end must not take away what the other's CPU has just noted.
func TestNATKeepsBitsOfTheOtherCPU(t *testing.T) {
	const fin, finReal, finClient = 0x01, 1, 2
	r := newNATRig(t, "lb/xdp_nat", 1, map[string]any{"flow_entries": uint32(4096)})
	s := tcp(4)
	real := r.send(t, s.with(flagSYN))
	peer := s.to(realAddr(4, real), 8080).answer()
	key := [16]byte{12: protoTCP}
	copy(key[0:], peer.src.AsSlice())
	copy(key[4:], peer.dst.AsSlice())
	be.PutUint16(key[8:], peer.sport)
	be.PutUint16(key[10:], peer.dport)
	var flow struct {
		Seen, State uint32
		Rest        [16]byte
	}
	if err := r.Maps["flows"].Lookup(key, &flow); err != nil {
		t.Fatal(err)
	}
	flow.State = finClient
	r.put(t, "flows", key, flow)
	r.send(t, s.with(fin|flagACK))
	if err := r.Maps["flows"].Lookup(key, &flow); err != nil || flow.State != finReal|finClient {
		t.Errorf("state %#x, want both FINs: %v", flow.State, err)
	}
}

// TestNATWithoutRoute: a packet that the kernel must send on is counted as such, and not as dropped.
func TestNATWithoutRoute(t *testing.T) {
	r := newNATRig(t, "lb/xdp_nat", 1, map[string]any{"flow_entries": uint32(4096)})
	far := testReal{Port: [2]byte{0x1f, 0x90}}
	copy(far.Addr[:], []byte{198, 18, 200, 200}) // without a neighbour
	r.put(t, "reals", uint32(0), far)
	f, out := r.run(t, tcp(4).bytes())
	want := eth(balancerMAC, clientMAC, typeIPv4, tcp(4).to(netip.AddrFrom4([4]byte{198, 18, 200, 200}), 8080).packet())
	if d := cmp.Diff(want, out); f != fatePass || d != "" {
		t.Errorf("%s; want it passed, translated (-want +got):\n%s", f, d)
	}
	for stat := range stats {
		want := map[int]uint64{statPackets: 1, statNew: 1, statNoRoute: 1, statPass: 1}[stat]
		if n := r.count(t, stat); n != want {
			t.Errorf("counter %d is %d, want %d", stat, n, want)
		}
	}
}
