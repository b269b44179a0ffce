// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// balancers are the objects that forward to a real unchanged. They differ in how a packet gets there.
var balancers = []string{"lb/xdp_ipip", "lb/xdp_dsr", "lb/xdp_jet"}

// tunnels says whether an object puts packets into an outer header.
func tunnels(object string) bool { return object != "lb/xdp_dsr" }

// sent is what a packet for real i looks like when it leaves: in a tunnel from the balancer, or with other MACs only.
func (r *rig) sent(frame []byte, i int) []byte {
	proto, dst := uint8(4), netip.AddrFrom4([4]byte{198, 18, 1, byte(1 + i)})
	kind := be.Uint16(frame[12:])
	if !tunnels(r.spec.Object) {
		return eth(realMAC(i), balancerMAC, kind, frame[14:])
	}
	// Padding stays behind, and outside of what the outer header counts.
	inner, padding := frame[14:ipEnd(frame)], frame[ipEnd(frame):]
	tos := inner[1]
	if kind == typeIPv6 {
		proto, tos = 41, inner[0]<<4|inner[1]>>4
	}
	h := ipHeader{src: netip.MustParseAddr("198.18.0.10"), dst: dst, proto: proto, tos: tos}
	if r.spec.V6Reals {
		h.src, h.dst = netip.MustParseAddr("2001:2::10"), netip.MustParseAddr("2001:2::1:0").Next()
		for range i {
			h.dst = h.dst.Next()
		}
		return eth(realMAC(i), balancerMAC, typeIPv6, append(ip(h, inner), padding...))
	}
	return eth(realMAC(i), balancerMAC, typeIPv4, append(ip(h, inner), padding...))
}

// verdictOf translates a verdict of XDP into that of the object's hook.
func verdictOf(object string, xdp uint32) uint32 {
	if object == "lb/tc_ipip" {
		return map[uint32]uint32{xdpDrop: 2, xdpPass: 1<<32 - 1, xdpTX: 7}[xdp] // TCX_DROP, TCX_NEXT, TCX_REDIRECT
	}
	return xdp
}

// realOf tells the real by the destination MAC.
func realOf(out []byte) int { return int(out[4])<<8 | int(out[5]) }

// clearLabel takes the flow label of an outer IPv6 header out: it is the hash's.
func clearLabel(frame []byte) []byte {
	frame = slices.Clone(frame)
	if be.Uint16(frame[12:]) == typeIPv6 {
		be.PutUint32(frame[14:], be.Uint32(frame[14:])&0xfff00000)
	}
	return frame
}

// packetCase is one packet in and what comes of it with one real. want nil means that the packet is as it was.
type packetCase struct {
	name    string
	in      []byte
	verdict uint32
	want    []byte // for XDP_TX; nil: sent to real 0
	stat    int    // the counter that rises by one
}

func packetCases() []packetCase {
	var cases []packetCase
	add := func(name string, in []byte, verdict uint32, stat int) {
		cases = append(cases, packetCase{name: name, in: in, verdict: verdict, stat: stat})
	}
	for family, f := range map[int]string{4: "v4 ", 6: "v6 "} {
		t, u := tcp(family), udp(family)
		add(f+"TCP", t.bytes(), xdpTX, statPackets)
		add(f+"UDP", u.bytes(), xdpTX, statPackets)
		syn, rst := t, t
		syn.flags, rst.flags = flagSYN, flagRST
		add(f+"SYN is new", syn.bytes(), xdpTX, statNew)
		add(f+"RST is new but forwarded", rst.bytes(), xdpTX, statPackets)
		empty := u
		empty.payload = nil
		add(f+"padding stays outside the length", pad(empty.bytes(), 64), xdpTX, statPackets)
		zero, bad := u, t
		zero.noSum, bad.badSum = true, true
		add(f+"zero UDP checksum kept", zero.bytes(), xdpTX, statPackets)
		add(f+"wrong checksum not repaired", bad.bytes(), xdpTX, statPackets)
		tos := t
		tos.tos, tos.ttl = 0xb9, 1
		add(f+"type of service copied, time to live not counted down", tos.bytes(), xdpTX, statPackets)
		add(f+"other port", t.to(vip(family, 0), 81).bytes(), xdpPass, statPass)
		add(f+"other address", t.to(vip(family, 7), 80).bytes(), xdpPass, statPass)
		sctp := t
		sctp.proto = 132
		add(f+"other protocol", sctp.bytes(), xdpPass, statPass)
		echo := uint8(8)
		icmpProto := uint8(1)
		if family == 6 {
			echo, icmpProto = 128, 58
		}
		h := ipHeader{src: t.src, dst: t.dst, proto: icmpProto}
		kind := etherType(t.src)
		add(f+"ICMP echo", eth(balancerMAC, clientMAC, kind, ip(h, icmp(h.src, h.dst, echo, 0, 1, []byte("ping")))),
			xdpPass, statPass)
		add(f+"VLAN", eth(balancerMAC, clientMAC, typeVLAN, append([]byte{0, 1, byte(kind >> 8), byte(kind)}, t.packet()...)),
			xdpPass, statPass)
		add(f+"multicast", eth([6]byte{0x33, 0x33, 0, 0, 0, 1}, clientMAC, kind, t.packet()), xdpPass, statPass)
		// Errors about what a real sent to the client, from a router on the way.
		router := clientAddr(family, 99)
		back := ip(ipHeader{src: t.dst, dst: t.src, proto: protoTCP}, segment{sport: 80, dport: t.sport,
			ipHeader: ipHeader{src: t.dst, dst: t.src, proto: protoTCP}}.l4())
		other := ip(ipHeader{src: vip(family, 7), dst: t.src, proto: protoTCP}, t.l4())
		for name, kindCode := range icmpErrors(family) {
			h := ipHeader{src: router, dst: t.dst, proto: icmpProto}
			msg := func(quoted []byte) []byte {
				return eth(balancerMAC, clientMAC, kind, ip(h, icmp(h.src, h.dst, kindCode[0], kindCode[1], 1400, quoted)))
			}
			add(f+name, msg(back), xdpTX, statICMP)
			add(f+name+", quoting as little as allowed", msg(back[:len(back)-12]), xdpTX, statICMP)
			add(f+name+", quoting too little", msg(back[:len(back)-20+7]), xdpPass, statPass)
			add(f+name+" about another service", msg(other), xdpPass, statPass)
		}
	}
	opt := tcp(4)
	opt.options = []byte{1, 1, 1, 0}
	add("v4 options", opt.bytes(), xdpDrop, statDropOptions)
	first, cut := tcp(4), tcp(4).bytes()
	first.frag = 0x2000
	add("v4 first fragment", first.bytes(), xdpDrop, statDropFragment)
	add("v4 cut short", cut[:len(cut)-1], xdpDrop, statDropMalformed)
	for name, frag := range map[string]uint16{"middle": 0x2010, "last": 0x0010} {
		f := tcp(4)
		f.frag = frag
		add("v4 "+name+" fragment, in which there are no ports", f.bytes(), xdpPass, statPass)
	}
	cases = append(cases, hostCases()...)
	for name, next := range map[string]uint8{"hop-by-hop": 0, "routing": 43, "destination options": 60} {
		h := tcp(6).ipHeader
		h.proto = next
		add("v6 "+name, eth(balancerMAC, clientMAC, typeIPv6, ip(h, append([]byte{6, 0, 1, 4, 0, 0, 0, 0}, tcp(6).l4()...))),
			xdpDrop, statDropOptions)
	}
	h := tcp(6).ipHeader
	h.proto = 44
	add("v6 fragment", eth(balancerMAC, clientMAC, typeIPv6, ip(h, append([]byte{6, 0, 0, 1, 0, 0, 0, 1}, tcp(6).l4()...))),
		xdpDrop, statDropFragment)
	add("ARP", pad(eth([6]byte{255, 255, 255, 255, 255, 255}, clientMAC, typeARP, make([]byte, 28)), 60), xdpPass, statPass)
	add("ARP to us", pad(eth(balancerMAC, clientMAC, typeARP, make([]byte, 28)), 60), xdpPass, statPass)
	return cases
}

// hostCases are packets that a service's would be dropped for, but they are the host's own or for another station.
func hostCases() []packetCase {
	var cases []packetCase
	add := func(name string, in []byte) {
		cases = append(cases, packetCase{name: name, in: in, verdict: xdpPass, stat: statPass})
	}
	for family, f := range map[int]string{4: "v4 ", 6: "v6 "} {
		other := tcp(family).bytes()
		station := realMAC(77)
		copy(other, station[:])
		add(f+"frame for another station", other)
		for name, s := range map[string]segment{
			"an address of the host": tcp(family).to(balancerAddr(family), 22), "another port of a service": tcp(family).to(vip(family, 0), 81),
		} {
			whole := s.bytes()
			add(f+"cut short, for "+name, whole[:len(whole)-1])
			add(f+"cut within the ports, for "+name, whole[:len(whole)-len(s.l4())+3])
			if family == 4 {
				frag, opt := s, s
				frag.frag, opt.options = 0x2000, []byte{1, 1, 1, 0}
				add(f+"first fragment for "+name, frag.bytes())
				add(f+"options, for "+name, opt.bytes())
				continue
			}
			for _, next := range []uint8{0, 43, 44, 51, 60} {
				h := s.ipHeader
				h.proto = next
				ext := []byte{6, 0, 0, 1, 0, 0, 0, 1}
				add(fmt.Sprintf("%sextension header %d, for %s", f, next, name), eth(balancerMAC, clientMAC, typeIPv6, ip(h, append(ext, s.l4()...))))
			}
		}
	}
	return cases
}

// balancerAddr is the balancer's own address.
func balancerAddr(family int) netip.Addr {
	if family == 6 {
		return netip.MustParseAddr("2001:2::10")
	}
	return netip.MustParseAddr("198.18.0.10")
}

// icmpErrors is type and code of the errors that are brought to reals.
func icmpErrors(family int) map[string][2]uint8 {
	if family == 6 {
		return map[string][2]uint8{"unreachable": {1, 4}, "packet too big": {2, 0}, "time exceeded": {3, 0}}
	}
	return map[string][2]uint8{"unreachable": {3, 3}, "fragmentation needed": {3, 4}, "time exceeded": {11, 0}}
}

func TestPackets(t *testing.T) {
	for _, object := range append(slices.Clone(balancers), "lb/tc_ipip") {
		for _, v6 := range []bool{false, true} {
			if v6 && !tunnels(object) {
				continue
			}
			t.Run(object+map[bool]string{false: "/reals=4", true: "/reals=6"}[v6], func(t *testing.T) {
				r := newRig(t, rigSpec{Object: object, V6Reals: v6, Flags: allTracked})
				for _, c := range packetCases() {
					t.Run(c.name, func(t *testing.T) {
						r.forget(t)
						before := r.counts(t)[c.stat]
						verdict, out := r.run(t, c.in)
						want := c.in
						if c.verdict == xdpTX {
							want = r.sent(c.in, 0)
							out = clearLabel(out)
							want = clearLabel(want)
						}
						if wanted := verdictOf(object, c.verdict); verdict != wanted {
							t.Fatalf("verdict %d, want %d", int32(verdict), int32(wanted))
						}
						if diff := cmp.Diff(want, out); diff != "" {
							t.Errorf("packet out (-want +got):\n%s", diff)
						}
						if n := r.counts(t)[c.stat] - before; n != 1 {
							t.Errorf("counter %d rose by %d, want 1", c.stat, n)
						}
					})
				}
			})
		}
	}
}

func allTracked(int) uint16 { return slotTrack | slotLook }

// TestTruncated cuts packets at every length, with the IP header's length as it was and corrected.
func TestTruncated(t *testing.T) {
	for _, object := range balancers {
		r := newRig(t, rigSpec{Object: object})
		for _, c := range packetCases() {
			if c.verdict != xdpTX {
				continue
			}
			end := ipEnd(c.in)
			for n := 14; n < end; n++ {
				if verdict, _ := r.run(t, c.in[:n]); verdict == xdpTX {
					t.Errorf("%s: %s: forwarded after %d of %d bytes", object, c.name, n, end)
				}
			}
		}
	}
}

// ipEnd is where the IP packet ends in a frame.
func ipEnd(frame []byte) int {
	if be.Uint16(frame[12:]) == typeIPv6 {
		return 14 + 40 + int(be.Uint16(frame[18:]))
	}
	return 14 + int(be.Uint16(frame[16:]))
}

// TestTooBig: the client is told, from the service's address, with correct checksums.
func TestTooBig(t *testing.T) {
	for _, object := range balancers {
		r := newRig(t, rigSpec{Object: object})
		for _, family := range []int{4, 6} {
			s := udp(family)
			fits := 1500 - len(s.packet()) + len(s.payload)
			for extra, toobig := range []bool{false, true} {
				r.forget(t)
				before := r.counts(t)[statTooBig]
				s.payload = make([]byte, fits+extra)
				verdict, out := r.run(t, s.bytes())
				want := r.sent(s.bytes(), 0)
				if toobig && tunnels(object) {
					proto, kind, code := uint8(1), uint8(3), uint8(4)
					if family == 6 {
						proto, kind, code = 58, 2, 0
					}
					body := icmp(s.dst, s.src, kind, code, 1500, s.packet()[:128])
					want = eth(clientMAC, balancerMAC, etherType(s.src), ip(ipHeader{src: s.dst, dst: s.src, proto: proto}, body))
					if n := r.counts(t)[statTooBig] - before; n != 1 {
						t.Errorf("%s v%d: counter toobig rose by %d, want 1", object, family, n)
					}
				}
				if verdict != xdpTX {
					t.Errorf("%s v%d %d bytes too long: verdict %d", object, family, extra, verdict)
				}
				if diff := cmp.Diff(want, out); diff != "" {
					t.Errorf("%s v%d %d bytes too long (-want +got):\n%s", object, family, extra, diff)
				}
			}
		}
	}
}

// TestTooLongFragmentable: an IPv4 packet that may be fragmented and does not fit the tunnel is dropped: its sender must
// not be told to make it shorter, and a program cannot make two packets of it.
func TestTooLongFragmentable(t *testing.T) {
	for _, object := range append(slices.Clone(balancers), "lb/tc_ipip") {
		r := newRig(t, rigSpec{Object: object})
		for extra := range 2 {
			s := udp(4)
			s.payload = make([]byte, 1500-28+extra)
			f := s.bytes()
			be.PutUint16(f[20:], 0) // no "don't fragment"
			be.PutUint16(f[24:], 0)
			be.PutUint16(f[24:], checksum(f[14:34]))
			want, stat := uint32(xdpTX), statPackets
			if extra > 0 && tunnels(object) {
				want, stat = xdpDrop, statDropTooLong
			}
			before := r.counts(t)[stat]
			verdict, _ := r.run(t, f)
			if want = verdictOf(object, want); verdict != want || r.counts(t)[stat] != before+1 {
				t.Errorf("%s, %d bytes too long: verdict %d, want %d; counter %d rose by %d, want 1", object, extra,
					int32(verdict), int32(want), stat, r.counts(t)[stat]-before)
			}
		}
	}
}

// TestQuotedLaterFragment: an ICMP error that quotes a later fragment tells no ports: what stands in their place is
// payload, here the service's port.
func TestQuotedLaterFragment(t *testing.T) {
	for _, object := range append(slices.Clone(balancers), "lb/tc_ipip") {
		r := newRig(t, rigSpec{Object: object, Reals: 4})
		a := udp(4).answer()
		for offset, want := range map[uint16]uint32{0x2000: xdpTX, 185: xdpPass, 0x2000 | 185: xdpPass} {
			h := ipHeader{src: a.src, dst: a.dst, proto: protoUDP, frag: offset}
			quoted := ip(h, []byte{0, 80, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8})
			verdict, _ := r.run(t, eth(balancerMAC, clientMAC, typeIPv4, errorPacket(a.dst, a.src, quoted, 1<<16)))
			if want = verdictOf(object, want); verdict != want {
				t.Errorf("%s, quoting fragment field %#x: verdict %d, want %d", object, offset, int32(verdict), int32(want))
			}
		}
	}
}
