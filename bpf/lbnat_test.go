// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
)

var natObjects = []string{"lb/xdp_nat", "lb/tc_nat"}

// eachNAT runs a test for both hooks and both families.
func eachNAT(t *testing.T, reals int, knobs map[string]any, f func(t *testing.T, r *natRig, family int)) {
	t.Helper()
	knobs2 := map[string]any{"flow_entries": uint32(4096)}
	for k, v := range knobs {
		knobs2[k] = v
	}
	for _, object := range natObjects {
		for _, family := range []int{4, 6} {
			t.Run(fmt.Sprintf("%s/ip=%d", object, family), func(t *testing.T) {
				f(t, newNATRig(t, object, reals, knobs2), family)
			})
		}
	}
}

// hop is the segment one router further.
func (s segment) hop() segment {
	if s.ttl == 0 {
		s.ttl = 64
	}
	s.ttl--
	return s
}

// answer is the packet that the other side sends back.
func (s segment) answer() segment {
	s.src, s.dst, s.sport, s.dport = s.dst, s.src, s.dport, s.sport
	return s
}

func (s segment) with(flags uint8) segment {
	s.flags = flags
	return s
}

// fromReal is the frame that a real or a router sends to the balancer.
func fromReal(i int, packet []byte) []byte {
	a := etherType(netip.IPv4Unspecified())
	if packet[0]>>4 == 6 {
		a = typeIPv6
	}
	return eth(balancerMAC, realMAC(i), a, packet)
}

// send wants the packet forwarded to a real, byte for byte but for what the translation changes, and returns the real.
func (r *natRig) send(t *testing.T, s segment) (real int) {
	t.Helper()
	f, out := r.run(t, s.bytes())
	if f != fateSend {
		t.Fatalf("%v: %s", s, f)
	}
	family := 4
	if s.src.Is6() {
		family = 6
	}
	var diff string
	for real := range r.reals {
		target := r.target(family, real)
		want := eth(r.mac(family, real), balancerMAC, etherType(s.src), s.to(target.Addr(), target.Port()).hop().packet())
		if bytes.Equal(want, out) {
			return real
		}
		if r.mac(family, real) == [6]byte(out[:6]) {
			diff = cmp.Diff(want, out)
		}
	}
	t.Fatalf("to the real (-want +got):\n%s", diff)
	return 0
}

// mac is the address of the station that has a real's IP address: the first of those that share it.
func (r *natRig) mac(family, real int) [6]byte {
	for i := range real {
		if r.target(family, i).Addr() == r.target(family, real).Addr() {
			return realMAC(i)
		}
	}
	return realMAC(real)
}

// answers wants the real's answer to s brought back to the client as the service's.
func (r *natRig) answers(t *testing.T, s segment, real int) {
	t.Helper()
	family := 4
	if s.src.Is6() {
		family = 6
	}
	target := r.target(family, real)
	f, out := r.run(t, fromReal(real, s.to(target.Addr(), target.Port()).answer().packet()))
	want := eth(clientMAC, balancerMAC, etherType(s.src), s.answer().hop().packet())
	if d := cmp.Diff(want, out); f != fateSend || d != "" {
		t.Fatalf("to the client: %s (-want +got):\n%s", f, d)
	}
}

// passes wants a frame left to the kernel as it is.
func (r *natRig) passes(t *testing.T, what string, frame []byte) {
	t.Helper()
	if f, out := r.run(t, frame); f != fatePass || !bytes.Equal(out, frame) {
		t.Errorf("%s: %s, changed %v; want it passed as it is", what, f, !bytes.Equal(out, frame))
	}
}

func TestNATBothWays(t *testing.T) {
	eachNAT(t, 4, nil, func(t *testing.T, r *natRig, family int) {
		noSum, odd := udp(family), udp(family)
		noSum.noSum, odd.payload = true, []byte("odd")
		for i, s := range []segment{
			tcp(family).with(flagSYN), tcp(family), udp(family), odd, tcp(family).to(vip(family, 1), 80), noSum,
		} {
			s = s.from(i, uint16(40000+i))
			s.tos = 0x28
			real := r.send(t, s)
			r.answers(t, s, real)
			if again := r.send(t, s); again != real {
				t.Errorf("case %d: first real %d, then %d", i, real, again)
			}
		}
		if p, n, back := r.count(t, statPackets), r.count(t, statNew), r.count(t, statReturn); p != 12 || n != 6 || back != 6 {
			t.Errorf("counted packets %d, new %d, return %d; want 12, 6, 6", p, n, back)
		}
	})
}

func TestNATSpreads(t *testing.T) {
	eachNAT(t, 4, nil, func(t *testing.T, r *natRig, family int) {
		var hits [4]int
		for i := range 400 {
			hits[r.send(t, udp(family).from(i, uint16(1000+i)))]++
		}
		if slices.Min(hits[:]) < 60 {
			t.Errorf("400 flows went to 4 reals as %v", hits)
		}
	})
}

// The sum of a packet that came with a wrong checksum is off by the same amount behind the translation.
func TestNATKeepsWrongChecksum(t *testing.T) {
	eachNAT(t, 4, nil, func(t *testing.T, r *natRig, family int) {
		for _, s := range []segment{tcp(family), udp(family)} {
			bad := s
			bad.badSum = true
			at := len(s.bytes()) - len(s.l4()) + map[uint8]int{protoTCP: 16, protoUDP: 6}[s.proto]
			real := r.send(t, s)
			right := eth(realMAC(real), balancerMAC, etherType(s.src), s.to(realAddr(family, real), 8080).hop().packet())
			f, out := r.run(t, bad.bytes())
			off := func(wrong, right []byte) int {
				return (int(be.Uint16(wrong[at:])) - int(be.Uint16(right[at:])) + 2*0xffff) % 0xffff
			}
			if before, after := off(bad.bytes(), s.bytes()), off(out, right); f != fateSend || before == 0 || before != after {
				t.Errorf("proto %d: %s; checksum off by %#x before and %#x behind", s.proto, f, before, after)
			}
		}
	})
}

func TestNATLeavesAlone(t *testing.T) {
	eachNAT(t, 4, nil, func(t *testing.T, r *natRig, family int) {
		s := tcp(family)
		last, echoKind, proto := s, uint8(8), uint8(1)
		if family == 6 {
			echoKind, proto = 128, 58
		}
		last.ttl = 1
		h := s.ipHeader
		h.proto = proto
		echo := ip(h, icmp(h.src, h.dst, echoKind, 0, 1<<16|1, []byte("ping")))
		stray := ip(h, icmp(h.src, h.dst, map[int]uint8{4: 3, 6: 1}[family], 1, 0, tcp(family).from(9, 9).answer().packet()))
		bystander := s.bytes()
		bystander[5] ^= 1
		for what, frame := range map[string][]byte{
			"another port":        s.to(vip(family, 0), 81).bytes(),
			"another address":     s.to(vip(family, 7), 80).bytes(),
			"to a real directly":  s.to(realAddr(family, 0), 8080).bytes(),
			"TTL 1":               last.bytes(),
			"echo to a service":   eth(balancerMAC, clientMAC, etherType(s.src), echo),
			"error, unknown flow": eth(balancerMAC, clientMAC, etherType(s.src), stray),
			"another station":     bystander,
			"multicast":           eth([6]byte{1, 0, 0x5e, 0, 0, 1}, clientMAC, etherType(s.src), s.packet()),
			"ARP":                 eth(balancerMAC, clientMAC, typeARP, make([]byte, 46)),
			"VLAN":                eth(balancerMAC, clientMAC, typeVLAN, slices.Concat([]byte{0, 5, 8, 0}, s.packet())),
			"unknown answer":      fromReal(1, s.from(5, 5).to(realAddr(family, 1), 8080).answer().packet()),
		} {
			r.passes(t, what, frame)
		}
	})
}

func TestNATRefuses(t *testing.T) {
	eachNAT(t, 4, nil, func(t *testing.T, r *natRig, family int) {
		type refusal struct {
			what  string
			stat  int
			frame func(s segment) []byte
		}
		short := func(s segment) []byte { f := s.bytes(); return f[:len(f)-1] }
		cases := []refusal{{"cut short", statDropMalformed, short}}
		if family == 4 {
			cases = append(cases,
				refusal{"first fragment", statDropFragment, func(s segment) []byte { s.frag = 0x2000; return s.bytes() }},
				refusal{"options", statDropOptions, func(s segment) []byte { s.options = []byte{1, 1, 1, 0}; return s.bytes() }})
		} else {
			behind := func(s segment, kind uint8) []byte {
				h := s.ipHeader
				h.proto = kind
				return eth(balancerMAC, clientMAC, typeIPv6, ip(h, slices.Concat([]byte{s.proto, 0, 0, 1, 0, 0, 0, 9}, s.l4())))
			}
			cases = append(cases,
				refusal{"first fragment", statDropFragment, func(s segment) []byte { return behind(s, 44) }},
				refusal{"extension header", statDropOptions, func(s segment) []byte { return behind(s, 60) }})
		}
		for _, c := range cases {
			if f, _ := r.run(t, c.frame(tcp(family))); f != fateDrop || r.count(t, c.stat) != 1 {
				t.Errorf("%s: %s, counted %d; want drop, 1", c.what, f, r.count(t, c.stat))
			}
			r.passes(t, c.what+", not for a service", c.frame(tcp(family).to(vip(family, 9), 80)))
		}
	})
}

// Cut off at any length, nothing is forwarded, whether the flow is known or not and whatever it is.
func TestNATTruncated(t *testing.T) {
	eachNAT(t, 4, nil, func(t *testing.T, r *natRig, family int) {
		known := udp(family)
		real := r.send(t, known)
		for what, frame := range map[string][]byte{
			"TCP": tcp(family).bytes(), "UDP": udp(family).from(3, 3).bytes(), "known UDP": known.bytes(),
			"error": pathError(family, known.to(realAddr(family, real), 8080).hop(), real, 1<<16),
		} {
			from := 14
			if r.prog.Type() != ebpf.XDP {
				from += map[int]int{4: 20, 6: 40}[family] // the kernel runs no skb with less
			}
			for n := from; n < len(frame); n++ {
				if f, _ := r.run(t, frame[:n]); f == fateSend {
					t.Errorf("%s cut to %d of %d bytes: forwarded", what, n, len(frame))
				}
			}
		}
	})
}

// A connection stays where it is when the ring changes, until it is over; without its real it moves at once.
func TestNATSticks(t *testing.T) {
	eachNAT(t, 4, map[string]any{"udp_idle_sec": uint32(0)}, func(t *testing.T, r *natRig, family int) {
		s := tcp(family)
		first := r.send(t, s.with(flagSYN))
		moved := s.from(2, 2)
		moved.proto = protoUDP
		idle := r.send(t, moved)
		r.setRings(t, 1)
		if now := r.send(t, s); now != first {
			t.Errorf("moved from real %d to %d", first, now)
		}
		if now := r.send(t, s.with(flagSYN)); now != first {
			t.Errorf("a SYN moved a live connection from real %d to %d", first, now)
		}
		time.Sleep(20 * time.Millisecond) // more than a tick of the coarse clock
		if now := r.send(t, moved); now == idle {
			t.Error("an idle UDP flow was not balanced anew")
		}
		const fin = 0x01
		r.send(t, s.with(fin|flagACK))
		if now := r.send(t, s.with(flagSYN)); now != first {
			t.Error("half closed, and yet balanced anew")
		}
		r.answers(t, s.with(fin|flagACK), first)
		r.send(t, s)
		second := r.send(t, s.with(flagSYN))
		if second == first {
			t.Error("closed by FIN both ways, and not balanced anew")
		}
		r.answers(t, s, second)
		r.setRings(t, 2)
		r.answers(t, s.with(flagRST), second)
		third := r.send(t, s.with(flagSYN))
		if third == second {
			t.Error("reset by the real, and not balanced anew")
		}
		r.setReal(t, family, third, realDown)
		r.setRings(t, 3)
		if now := r.send(t, s); now == third {
			t.Error("its real is down, and it stayed")
		}
		r.answers(t, s, third) // what a dying real has still to say
	})
}

func TestNATWithoutReals(t *testing.T) {
	eachNAT(t, 1, nil, func(t *testing.T, r *natRig, family int) {
		r.setReal(t, family, 0, realDown)
		if f, _ := r.run(t, tcp(family).bytes()); f != fateDrop || r.count(t, statDropNoReal) != 1 {
			t.Errorf("%s, counted %d", f, r.count(t, statDropNoReal))
		}
	})
}

// One client port for two services: their flows must not share a real, for the answers could not be told apart.
func TestNATClash(t *testing.T) {
	eachNAT(t, 4, nil, func(t *testing.T, r *natRig, family int) {
		for i := range 50 {
			s := tcp(family).from(i, 7777)
			a, b := r.send(t, s), r.send(t, s.to(vip(family, 1), 80))
			if a == b {
				t.Fatalf("client %d: both services went to real %d", i, a)
			}
			r.answers(t, s, a)
			r.answers(t, s.to(vip(family, 1), 80), b)
		}
	})
}
