// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// fixtures returns the packets that every balancer must handle correctly, with a description of each case.
func (s *scene) fixtures(clientMTU int) []fixture {
	v6 := s.tcp.VIP.Addr().Is6()
	vip, uvip := s.tcp.VIP, s.udp.VIP
	var out []fixture
	add := func(name string, do action, frames ...[]byte) *fixture {
		out = append(out, fixture{name: name, action: do, frames: frames})
		return &out[len(out)-1]
	}

	a := s.port()
	add("TCP: SYN, then data of the same flow", actForward,
		s.syn(a), s.tcpTo(a, vip, tcpACK, "hello"), s.tcpTo(a, vip, tcpACK, "again"))
	a = s.port()
	add("TCP: data of a flow whose SYN was not seen", actForward, s.tcpTo(a, vip, tcpACK, "stray"), s.tcpTo(a, vip, tcpACK, "more"))
	a = s.port()
	add("TCP: reset follows its flow", actForward, s.syn(a), s.tcpTo(a, vip, tcpRST|tcpACK, ""))
	a = s.port()
	add("UDP: two datagrams of one flow", actForward, s.udpTo(a, uvip, "one"), s.udpTo(a, uvip, "two"))
	a = s.port()
	add("UDP: odd length", actForward, s.udpTo(a, uvip, "odd"), s.udpTo(a, uvip, "oddly"))
	a = s.port()
	add("UDP: empty", actForward, s.udpTo(a, uvip, ""))
	a = s.port()
	add("TCP: full-sized segment", actForward, s.tcpTo(a, vip, tcpACK, strings.Repeat("x", clientMTU-headers(v6))))
	a = s.port()
	add("Ethernet padding after the packet", actForward, append(s.udpTo(a, uvip, "pad"), make([]byte, 14)...))
	if !v6 {
		a = s.port()
		add("UDP: no checksum stays none", actForward, clearUDPSum(s.udpTo(a, uvip, "nosum")))
	}
	a = s.port()
	add("UDP: wrong checksum is not repaired", actEither, breakSum(s.udpTo(a, uvip, "wrong"), protoUDP)).wrongSum = true
	a = s.port()
	add("TCP: wrong checksum is not repaired", actEither, breakSum(s.syn(a), protoTCP)).wrongSum = true

	a = s.port()
	long := strings.Repeat("f", 64)
	add("first fragment alone", actDrop, fragment(s.udpTo(a, uvip, long), 0, true))
	a = s.port()
	add("later fragment alone", actDrop, fragment(s.udpTo(a, uvip, long), 9, false))
	if !v6 {
		a = s.port()
		segment := udpDatagram(a, uvip, []byte("options"))
		add("IPv4 options", actEither, s.ether(ip(a.Addr(), uvip.Addr(), protoUDP, 64, []byte{1, 1, 1, 0}, segment)))
	} else {
		a = s.port()
		add("IPv6 destination options", actEither, s.ether(ip(a.Addr(), uvip.Addr(), protoDestinationOptions, 64, nil,
			append([]byte{protoUDP, 0, 1, 4, 0, 0, 0, 0}, udpDatagram(a, uvip, []byte("options"))...))))
	}
	add("VLAN tag", actDrop, vlan(s.syn(s.port())))
	add("frame for another station", actDrop, misaddressed(s.syn(s.port())), misaddressed(s.udpTo(s.port(), uvip, "")))
	add("TCP cut at every length", actDrop, truncated(s.syn(s.port()))...)
	add("UDP cut at every length", actDrop, truncated(s.udpTo(s.port(), uvip, ""))...)

	add("another port of the address", actIgnore, s.tcpTo(s.port(), netip.AddrPortFrom(vip.Addr(), 81), tcpSYN, ""))
	add("another address", actIgnore, s.tcpTo(s.port(), netip.AddrPortFrom(vip.Addr().Next(), 80), tcpACK, ""))

	a = s.port()
	quote := ip(vip.Addr(), a.Addr(), protoTCP, 60, nil, tcpSegment(vip, a, tcpACK, []byte("too long for the path")))
	add("ICMP: too big, about a reply, reaches the flow's backend", actForward,
		s.syn(a), s.ether(tooBig(hostAddr(s.client, v6), vip.Addr(), 1400, quote))).quotes = true

	echo := add("ICMP: echo to the balancer's own address", actReply, s.echo(hostAddr(s.balancer, v6)))
	echo.reply = func(p packet) error {
		if want := map[bool]byte{false: 0, true: 129}[v6]; len(p.segment) < 8 || p.segment[0] != want {
			return fmt.Errorf("not an echo reply")
		}
		return p.checksums()
	}
	if !v6 {
		arp := add("ARP for the balancer's own address", actReply, s.arp())
		arp.reply = func(p packet) error {
			if p.kind != etherARP || !bytes.Equal(p.frame[22:28], s.balancer.MAC) {
				return fmt.Errorf("not an ARP reply with the balancer's address")
			}
			return nil
		}
	}
	big := add("a packet that does not fit the tunnel", actReply,
		s.tcpTo(s.port(), vip, tcpACK, strings.Repeat("x", clientMTU-headers(v6)+20)))
	big.class = "ipip"
	big.reply = func(p packet) error { return checkTooBig(p, v6, clientMTU) }
	return out
}

// headers returns the length of the IP and TCP headers of fixtures.
func headers(v6 bool) int {
	if v6 {
		return 40 + 20
	}
	return 20 + 20
}

// checkTooBig returns an error unless the packet tells a sender to make packets of at most mtu bytes.
func checkTooBig(p packet, v6 bool, mtu int) error {
	want := [2]byte{3, 4}
	if v6 {
		want = [2]byte{2, 0}
	}
	switch {
	case len(p.segment) < 8 || p.segment[0] != want[0] || p.segment[1] != want[1]:
		return fmt.Errorf("not fragmentation needed or packet too big")
	case int(binary.BigEndian.Uint32(p.segment[4:])&0xffff) != mtu:
		return fmt.Errorf("it names an MTU of %d, want %d", binary.BigEndian.Uint32(p.segment[4:])&0xffff, mtu)
	}
	return p.checksums()
}

// truncated returns a frame cut at every length: shorter than its IP header says.
func truncated(frame []byte) (frames [][]byte) {
	for n := 14; n < len(frame); n++ {
		frames = append(frames, frame[:n])
	}
	return frames
}

// misaddressed changes a frame's destination to a MAC that no station has, as in a frame that a bridge floods.
func misaddressed(frame []byte) []byte {
	frame[5] ^= 0x40
	return frame
}

// vlan inserts an 802.1Q tag into a frame.
func vlan(frame []byte) []byte {
	return slices.Concat(frame[:12], []byte{0x81, 0x00, 0x00, 0x07}, frame[12:])
}

// echo returns an ICMP echo request from the client's own address.
func (s *scene) echo(to netip.Addr) []byte {
	kind := byte(8)
	if to.Is6() {
		kind = 128
	}
	from := hostAddr(s.client, to.Is6())
	proto, m := icmp(from, to, kind, 0, 7<<16|1, []byte("echo, echo"))
	return s.ether(ip(from, to, proto, 64, nil, m))
}

// arp returns an ARP request for the balancer's own IPv4 address.
func (s *scene) arp() []byte {
	b := slices.Concat[[]byte]([]byte{0, 1, 8, 0, 6, 4, 0, 1}, s.client.MAC, hostAddr(s.client, false).AsSlice(),
		make([]byte, 6), hostAddr(s.balancer, false).AsSlice())
	return ether([]byte{255, 255, 255, 255, 255, 255}, s.client.MAC, etherARP, b)
}
