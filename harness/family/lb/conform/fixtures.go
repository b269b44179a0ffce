// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// fixtures returns the packets that every balancer must treat right, with a description of each case.
func (s *scene) fixtures(clientMTU int) []fixture {
	v6 := s.tcp.VIP.Addr().Is6()
	vip, uvip := s.tcp.VIP, s.udp.VIP
	var out []fixture
	add := func(name string, f fate, frames ...[]byte) *fixture {
		out = append(out, fixture{name: name, fate: f, frames: frames})
		return &out[len(out)-1]
	}

	a := s.port()
	add("TCP: SYN, then data of the same flow", forwarded,
		s.tcpTo(a, vip, tcpSYN, ""), s.tcpTo(a, vip, tcpACK, "hello"), s.tcpTo(a, vip, tcpACK, "again"))
	a = s.port()
	add("TCP: data of a flow whose SYN was not seen", forwarded, s.tcpTo(a, vip, tcpACK, "stray"), s.tcpTo(a, vip, tcpACK, "more"))
	a = s.port()
	add("TCP: reset follows its flow", forwarded, s.tcpTo(a, vip, tcpSYN, ""), s.tcpTo(a, vip, tcpRST|tcpACK, ""))
	a = s.port()
	add("UDP: two datagrams of one flow", forwarded, s.udpTo(a, uvip, "one"), s.udpTo(a, uvip, "two"))
	a = s.port()
	add("UDP: odd length", forwarded, s.udpTo(a, uvip, "odd"), s.udpTo(a, uvip, "oddly"))
	a = s.port()
	add("UDP: empty", forwarded, s.udpTo(a, uvip, ""))
	a = s.port()
	add("TCP: full-sized segment", forwarded, s.tcpTo(a, vip, tcpACK, strings.Repeat("x", clientMTU-headers(v6))))
	a = s.port()
	add("Ethernet padding after the packet", forwarded, append(s.udpTo(a, uvip, "pad"), make([]byte, 14)...))
	if !v6 {
		a = s.port()
		add("UDP: no checksum stays none", forwarded, noUDPSum(s.udpTo(a, uvip, "nosum")))
	}
	a = s.port()
	add("UDP: wrong checksum is not repaired", either, spoil(s.udpTo(a, uvip, "wrong"), protoUDP)).wrongSum = true
	a = s.port()
	add("TCP: wrong checksum is not repaired", either, spoil(s.tcpTo(a, vip, tcpSYN, ""), protoTCP)).wrongSum = true

	a = s.port()
	long := strings.Repeat("f", 64)
	add("first fragment alone", dropped, fragment(s.udpTo(a, uvip, long), 0, true))
	a = s.port()
	add("later fragment alone", dropped, fragment(s.udpTo(a, uvip, long), 9, false))
	if !v6 {
		a = s.port()
		segment := udpDatagram(a, uvip, []byte("options"))
		add("IPv4 options", either, s.ether(ip(a.Addr(), uvip.Addr(), protoUDP, 64, []byte{1, 1, 1, 0}, segment)))
	} else {
		a = s.port()
		add("IPv6 destination options", either, s.ether(ip(a.Addr(), uvip.Addr(), protoDestinationOptions, 64, nil,
			append([]byte{protoUDP, 0, 1, 4, 0, 0, 0, 0}, udpDatagram(a, uvip, []byte("options"))...))))
	}
	add("VLAN tag", dropped, s.vlan(s.tcpTo(s.port(), vip, tcpSYN, "")))
	add("frame for another station", dropped, s.astray(s.tcpTo(s.port(), vip, tcpSYN, "")), s.astray(s.udpTo(s.port(), uvip, "")))
	out = append(out, s.truncated()...)

	add("another port of the address", alone, s.tcpTo(s.port(), netip.AddrPortFrom(vip.Addr(), 81), tcpSYN, ""))
	add("another address", alone, s.tcpTo(s.port(), netip.AddrPortFrom(vip.Addr().Next(), 80), tcpACK, ""))

	a = s.port()
	quote := ip(vip.Addr(), a.Addr(), protoTCP, 60, nil, tcpSegment(vip, a, tcpACK, []byte("too long for the path")))
	add("ICMP: too big, about a reply, reaches the flow's backend", forwarded,
		s.tcpTo(a, vip, tcpSYN, ""), s.ether(tooBig(hostAddr(s.client, v6), vip.Addr(), 1400, quote))).quotes = true

	echo := add("ICMP: echo to the balancer's own address", answered, s.echo(hostAddr(s.balancer, v6)))
	echo.reply = func(p packet) error {
		if want := map[bool]byte{false: 0, true: 129}[v6]; len(p.segment) < 8 || p.segment[0] != want {
			return fmt.Errorf("not an echo reply")
		}
		return p.checksums()
	}
	if !v6 {
		arp := add("ARP for the balancer's own address", answered, s.arp())
		arp.reply = func(p packet) error {
			if p.kind != etherARP || !bytes.Equal(p.frame[22:28], s.balancer.MAC) {
				return fmt.Errorf("not an ARP reply with the balancer's address")
			}
			return nil
		}
	}
	big := add("a packet that does not fit the tunnel", answered,
		s.tcpTo(s.port(), vip, tcpACK, strings.Repeat("x", clientMTU-headers(v6)+20)))
	big.class = "ipip"
	big.reply = func(p packet) error { return checkTooBig(p, v6, clientMTU) }
	return out
}

// headers is the length of the IP and TCP headers of fixtures.
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

// truncated returns a TCP and a UDP packet cut at every length: their IP headers promise more than there is.
func (s *scene) truncated() []fixture {
	var out []fixture
	for _, f := range []struct {
		name  string
		frame []byte
	}{
		{"TCP cut at every length", s.tcpTo(s.port(), s.tcp.VIP, tcpSYN, "")},
		{"UDP cut at every length", s.udpTo(s.port(), s.udp.VIP, "")},
	} {
		cut := fixture{name: f.name, fate: dropped}
		for n := 14; n < len(f.frame); n++ {
			cut.frames = append(cut.frames, f.frame[:n])
		}
		out = append(out, cut)
	}
	return out
}

// astray sends a frame to a station that is not there, as a bridge does that floods it.
func (s *scene) astray(frame []byte) []byte {
	frame[5] ^= 0x40
	return frame
}

// vlan puts an 802.1Q tag into a frame.
func (s *scene) vlan(frame []byte) []byte {
	return append(append(append([]byte(nil), frame[:12]...), 0x81, 0x00, 0x00, 0x07), frame[12:]...)
}

// echo is an ICMP echo request from the client's own address.
func (s *scene) echo(to netip.Addr) []byte {
	kind := byte(8)
	if to.Is6() {
		kind = 128
	}
	from := hostAddr(s.client, to.Is6())
	proto, m := icmp(from, to, kind, 0, 7<<16|1, []byte("echo, echo"))
	return s.ether(ip(from, to, proto, 64, nil, m))
}

// arp asks for the balancer's own IPv4 address.
func (s *scene) arp() []byte {
	b := []byte{0, 1, 8, 0, 6, 4, 0, 1}
	b = append(b, s.client.MAC...)
	b = append(b, hostAddr(s.client, false).AsSlice()...)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = append(b, hostAddr(s.balancer, false).AsSlice()...)
	return ether([]byte{255, 255, 255, 255, 255, 255}, s.client.MAC, etherARP, b)
}
