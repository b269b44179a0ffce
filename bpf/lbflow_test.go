// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"testing"

	"golang.org/x/sys/unix"
)

// setRing points every slot at one real.
func (r *rig) setRing(tb testing.TB, real uint16, flags uint16) {
	tb.Helper()
	var line [32]uint16
	for i := range line {
		line[i] = real | flags
	}
	for l := range ringLines {
		r.put(tb, "rings", uint32(l), line)
	}
}

// send gives a segment to the balancer and returns the real that it went to.
func (r *rig) send(tb testing.TB, s segment) int {
	tb.Helper()
	verdict, out := r.run(tb, s.bytes())
	if verdict != xdpTX {
		tb.Fatalf("verdict %d, want XDP_TX", verdict)
	}
	return realOf(out)
}

// TestFlowTable: which packets enter a flow into the table, and which follow it after the ring has changed from real 0
// to real 1.
func TestFlowTable(t *testing.T) {
	withFlags := func(s segment, flags uint8) segment {
		s.flags = flags
		return s
	}
	const track, look = slotTrack, slotLook
	every := []string{"lb/xdp_ipip", "lb/xdp_dsr", "lb/xdp_jet"}
	always, jet := every[:2], every[2:]
	cases := []struct {
		name          string
		objects       []string
		before, after uint16 // flags of the ring's slots
		first, then   func(segment) segment
		knobs         map[string]any
		down          bool // real 0 is removed in between
		want          int
	}{
		{name: "a known flow stays", objects: every, before: track | look, after: look, want: 0},
		{name: "an unmarked slot is not tracked", objects: jet, before: 0, after: look, want: 1},
		{name: "nor looked up", objects: jet, before: track | look, after: 0, want: 1},
		{name: "a SYN enters its flow", objects: every, before: track | look, after: look,
			first: func(s segment) segment { return withFlags(s, flagSYN) }, want: 0},
		{name: "a SYN begins anew", objects: every, before: track | look, after: look,
			then: func(s segment) segment { return withFlags(s, flagSYN) }, want: 1},
		{name: "a RST enters nothing", objects: every, before: track | look, after: look,
			first: func(s segment) segment { return withFlags(s, flagRST) }, want: 1},
		{name: "a RST of a known flow follows it", objects: every, before: track | look, after: look,
			then: func(s segment) segment { return withFlags(s, flagRST) }, want: 0},
		{name: "other ports are another flow", objects: every, before: track | look, after: look,
			then: func(s segment) segment { return s.from(1, 40001) }, want: 1},
		{name: "another client is another flow", objects: every, before: track | look, after: look,
			then: func(s segment) segment { return s.from(2, 40000) }, want: 1},
		{name: "a removed real's flows are balanced anew", objects: every, before: track | look, after: look, down: true, want: 1},
		{name: "one table for all CPUs", objects: always, knobs: map[string]any{"flow_shared": uint32(1)}, want: 0},
	}
	for _, c := range cases {
		for _, object := range c.objects {
			for _, s := range []segment{tcp(4), tcp(6)} {
				t.Run(c.name+"/"+object, func(t *testing.T) {
					pin(t)
					r := newRig(t, rigSpec{Object: object, Reals: 2, Knobs: c.knobs})
					r.setRing(t, 0, c.before)
					first, then := s, s
					if c.first != nil {
						first = c.first(first)
					}
					if c.then != nil {
						then = c.then(then)
					}
					if got := r.send(t, first); got != 0 {
						t.Fatalf("first packet to real %d, want 0", got)
					}
					r.setRing(t, 1, c.after)
					if c.down {
						r.setReal(t, 0, realDown)
					}
					if got := r.send(t, then); got != c.want {
						t.Errorf("second packet to real %d, want %d", got, c.want)
					}
				})
			}
		}
	}
}

// TestSYNOutdates: after a SYN has begun a connection anew, its other packets go where the SYN went.
func TestSYNOutdates(t *testing.T) {
	for _, object := range balancers {
		for _, flags := range []uint16{slotTrack | slotLook, slotLook} {
			pin(t)
			r := newRig(t, rigSpec{Object: object, Reals: 2})
			r.setRing(t, 0, slotTrack|slotLook)
			r.send(t, tcp(4))
			r.setRing(t, 1, flags)
			syn := tcp(4)
			syn.flags = flagSYN
			if a, b := r.send(t, syn), r.send(t, tcp(4)); a != 1 || b != 1 {
				t.Errorf("%s, slot flags %#x: SYN to real %d, the next packet to %d, want 1", object, flags, a, b)
			}
		}
	}
}

// TestICMPFollowsFlow: an error about a flow goes to the real that has the flow, and enters nothing.
func TestICMPFollowsFlow(t *testing.T) {
	for _, object := range balancers {
		pin(t)
		r := newRig(t, rigSpec{Object: object, Reals: 2})
		s := tcp(4)
		back := segment{ipHeader: ipHeader{src: s.dst, dst: s.src, proto: protoTCP}, sport: 80, dport: s.sport}
		h := ipHeader{src: clientAddr(4, 99), dst: s.dst, proto: 1}
		msg := eth(balancerMAC, clientMAC, typeIPv4, ip(h, icmp(h.src, h.dst, 3, 4, 1400, back.packet())))
		r.setRing(t, 1, slotTrack|slotLook)
		if _, out := r.run(t, msg); realOf(out) != 1 {
			t.Errorf("%s: error about an unknown flow to real %d, want 1", object, realOf(out))
		}
		r.setRing(t, 0, slotTrack|slotLook)
		r.send(t, s)
		r.setRing(t, 1, slotTrack|slotLook)
		if _, out := r.run(t, msg); realOf(out) != 0 {
			t.Errorf("%s: error about a known flow to real %d, want 0", object, realOf(out))
		}
	}
}

// TestFullLine: a line forgets what it has not seen for longest; 8 flows always fit.
func TestFullLine(t *testing.T) {
	pin(t)
	r := newRig(t, rigSpec{Object: "lb/xdp_ipip", Reals: 2, Entries: 8})
	for i := range 8 {
		r.send(t, tcp(4).from(1, uint16(1000+i)))
	}
	r.setRing(t, 1, 0)
	for i := range 8 {
		if got := r.send(t, tcp(4).from(1, uint16(1000+i))); r.counts(t)[statNew] != 8 {
			t.Fatalf("flow %d of 8 was forgotten (real %d)", i, got)
		}
	}
	for i := range 100 {
		r.send(t, tcp(4).from(2, uint16(1000+i)))
	}
	if n := r.counts(t)[statNew]; n != 108 {
		t.Errorf("%d new flows, want 108", n)
	}
}

// TestFloodGuard: above the limit flows are forwarded but not remembered.
func TestFloodGuard(t *testing.T) {
	pin(t)
	r := newRig(t, rigSpec{Object: "lb/xdp_ipip", Entries: 1 << 16, Knobs: map[string]any{"new_flows_max": uint32(100)}})
	for i := range 1000 {
		s := tcp(4).from(i, 1000)
		s.flags = flagSYN
		r.send(t, s)
	}
	c := r.counts(t)
	// 107 a tick of 1.07 s; the test may meet the end of one.
	if inserted := c[statNew] - c[statFlood]; c[statNew] != 1000 || inserted < 107 || inserted > 2*107 {
		t.Errorf("of %d new flows %d were inserted, want 107 of 1000", c[statNew], inserted)
	}
}

// ticks is the flow table's clock: 2^30 ns, 256 ticks an era.
func ticks(tb testing.TB) uint64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC_COARSE, &now); err != nil {
		tb.Fatal(err)
	}
	return uint64(now.Nano()) >> 30
}

// TestIdleUDP: a UDP flow stays where it is while it is in use, and is balanced anew after 30 idle seconds, however often
// the 8 bits of its age have wrapped since. A TCP connection is never idle. The second packet of a flow goes through the
// same program with its clock ahead.
func TestIdleUDP(t *testing.T) {
	const object, era = "lb/xdp_ipip", 256
	pin(t)
	r := newRig(t, rigSpec{Object: object, Reals: 2, Entries: 8})
	// The next era but one begins so many ticks from now; within the test the clock moves on by one or two.
	start := 2*era - ticks(t)%era
	ahead := func(n uint64) *rig {
		return newRig(t, rigSpec{Object: object, Reals: 2, Entries: 8, Share: r, Knobs: map[string]any{"flow_clock_ahead": n}})
	}
	for _, c := range []struct {
		name   string
		s      segment
		at, by uint64 // ticks in the era at the first packet, and from it to the second
		want   int
	}{
		{"in use", udp(4), 100, 20, 0}, {"in use", udp(6), 100, 20, 0}, {"idle", udp(4), 100, 40, 1}, {"idle", udp(6), 100, 40, 1},
		{"long idle", udp(4), 20, 200, 1}, {"in use, in the next era", udp(4), 250, 10, 0}, {"in use, in the next era", udp(6), 250, 25, 0},
		{"idle, in the next era", udp(4), 245, 40, 1}, {"idle for all but an era", udp(4), 100, era - 20, 1},
		{"idle for an era and a bit", udp(4), 5, era + 5, 1}, {"idle for an era and a bit", udp(4), 100, era + 20, 1},
		{"idle for almost an era", udp(4), 15, era - 10, 1}, {"idle for two eras", udp(6), 5, 2*era + 10, 1},
		{"idle for a day", udp(4), 10, 300*era + 10, 1},
		{"a TCP connection", tcp(4), 100, 40, 0}, {"a TCP connection", tcp(6), 5, era + 5, 0}, {"a TCP connection", tcp(4), 5, 300 * era, 0},
	} {
		r.forget(t)
		r.setRing(t, 0, 0)
		now, then := ahead(start+c.at), ahead(start+c.at+c.by)
		r.setRing(t, 0, 0)
		now.send(t, c.s)
		r.setRing(t, 1, 0)
		for range 2 {
			if got := then.send(t, c.s); got != c.want {
				t.Errorf("%s (tick %d of its era, then %d later): real %d, want %d", c.name, c.at, c.by, got, c.want)
			}
		}
	}
}

// TestNoBackends: packets for a service without backends are dropped and counted.
func TestNoBackends(t *testing.T) {
	for _, object := range balancers {
		r := newRig(t, rigSpec{Object: object})
		r.put(t, "vips4", testVIP4{Addr: vip(4, 0).As4(), Port: [2]byte{0, 80}, Proto: protoTCP}, testVIP{})
		r.put(t, "vips6", testVIP6{Addr: vip(6, 0).As16(), Port: [2]byte{0, 80}, Proto: protoTCP}, testVIP{})
		for _, family := range []int{4, 6} {
			if verdict, _ := r.run(t, tcp(family).bytes()); verdict != xdpDrop {
				t.Errorf("%s v%d: verdict %d, want XDP_DROP", object, family, verdict)
			}
		}
		if n := r.counts(t)[statDropNoReal]; n != 2 {
			t.Errorf("%s: counter drop_noreal is %d, want 2", object, n)
		}
	}
}

// TestSpread: flows that differ little are spread evenly over the ring. With 10 reals and 20,000 flows one standard
// deviation is 42.
func TestSpread(t *testing.T) {
	for _, family := range []int{4, 6} {
		r := newRig(t, rigSpec{Object: "lb/xdp_dsr", Reals: 10})
		var got [10]int
		for i := range 20000 {
			got[r.send(t, tcp(family).from(i%200, uint16(1024+i/200)))]++
		}
		for i, n := range got {
			if n < 1800 || n > 2200 {
				t.Errorf("v%d: real %d got %d of 20000 flows, want about 2000", family, i, n)
			}
		}
	}
}
