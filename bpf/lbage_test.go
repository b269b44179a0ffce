// SPDX-License-Identifier: Apache-2.0

package bpf

import "testing"

// TestFlowAges: a full line loses the flow that was unused for longest, and a flow in use counts from its last packet.
// Each packet goes through the same program with its clock further ahead.
func TestFlowAges(t *testing.T) {
	const object = "lb/xdp_ipip"
	pin(t)
	r := newRig(t, rigSpec{Object: object, Reals: 2, Entries: 8})
	at := func(tick int, s segment, ring, want int) {
		t.Helper()
		knobs := map[string]any{"flow_clock_ahead": uint64(tick)}
		ahead := newRig(t, rigSpec{Object: object, Reals: 2, Entries: 8, Share: r, Knobs: knobs})
		ahead.setRing(t, uint16(ring), 0)
		if got := ahead.send(t, s); got != want {
			t.Errorf("port %d, %d ticks ahead: real %d, want %d", s.sport, tick, got, want)
		}
	}
	flow := func(i int) segment { return tcp(4).from(1, uint16(1000+i)) }
	for i := range 8 {
		at(10*i, flow(i), 0, 0)
	}
	at(80, flow(0), 1, 0)
	at(90, flow(8), 0, 0) // in place of flow 1
	for _, i := range []int{0, 2, 3, 4, 5, 6, 7, 8} {
		at(100, flow(i), 1, 0)
	}
	at(100, flow(1), 1, 1)

	// From any tick, one of these ten steps of 25 ticks crosses the beginning of an era.
	r.forget(t)
	for i := range 11 {
		at(100+25*i, udp(4), min(i, 1), 0)
	}
	at(100+25*10+40, udp(4), 1, 1)
}

// TestSeed: the same seed sends flows to the same reals, another one to others.
func TestSeed(t *testing.T) {
	const flows = 64
	check := func(t *testing.T, family int, send func(seed uint64) func(segment) int) {
		t.Helper()
		a, again, b := send(1), send(1), send(2)
		moved := 0
		for i := range flows {
			s := tcp(family).from(i, uint16(1000+i))
			real := a(s)
			if got := again(s); got != real {
				t.Errorf("v%d, flow %d: real %d, and with the same seed %d", family, i, real, got)
			}
			if b(s) != real {
				moved++
			}
		}
		if moved < flows/2 { // of 4 reals, 3 in 4 are others
			t.Errorf("v%d: another seed moved %d of %d flows", family, moved, flows)
		}
	}
	for _, family := range []int{4, 6} {
		for _, object := range balancers {
			t.Run(object, func(t *testing.T) {
				check(t, family, func(seed uint64) func(segment) int {
					r := newRig(t, rigSpec{Object: object, Reals: 4, Knobs: map[string]any{
						"cfg": testConfig{Seed: seed, Ifindex: 1, MTU: 1600, ClientMTU: 1500, MAC: balancerMAC, NCPU: 1},
					}})
					return func(s segment) int { return r.send(t, s) }
				})
			})
		}
		for _, object := range natObjects {
			t.Run(object, func(t *testing.T) {
				check(t, family, func(seed uint64) func(segment) int {
					r := newNATRig(t, object, 4, map[string]any{"seed": seed, "flow_entries": uint32(4096)})
					return func(s segment) int { return r.send(t, s) }
				})
			})
		}
	}
}
