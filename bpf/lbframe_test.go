// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeVLAN = 0x8100
	typeIPv6 = 0x86dd

	flagSYN, flagRST, flagACK = 0x02, 0x04, 0x10
)

var be = binary.BigEndian

// eth puts an Ethernet header in front of a payload.
func eth(dst, src [6]byte, etherType uint16, payload []byte) []byte {
	return slices.Concat(dst[:], src[:], be.AppendUint16(nil, etherType), payload)
}

// ipHeader is what tests vary of an IP header; both families have it.
type ipHeader struct {
	src, dst netip.Addr
	proto    uint8
	tos, ttl uint8  // ttl 0: 64
	frag     uint16 // IPv4: flags and offset. 0: don't fragment
	options  []byte // IPv4
	label    uint32 // IPv6
}

// ip puts an IP header in front of a payload.
func ip(h ipHeader, payload []byte) []byte {
	if h.ttl == 0 {
		h.ttl = 64
	}
	if h.src.Is6() {
		b := be.AppendUint32(nil, 6<<28|uint32(h.tos)<<20|h.label)
		b = be.AppendUint16(b, uint16(len(payload)))
		return slices.Concat(append(b, h.proto, h.ttl), h.src.AsSlice(), h.dst.AsSlice(), payload)
	}
	if h.frag == 0 {
		h.frag = 0x4000
	}
	b := []byte{0x45 + byte(len(h.options)/4), h.tos}
	b = be.AppendUint16(b, uint16(20+len(h.options)+len(payload)))
	b = be.AppendUint16(b, 0)
	b = be.AppendUint16(b, h.frag)
	b = slices.Concat(append(b, h.ttl, h.proto, 0, 0), h.src.AsSlice(), h.dst.AsSlice(), h.options)
	be.PutUint16(b[10:], checksum(b))
	return append(b, payload...)
}

// checksum is the Internet checksum over the concatenation of parts of even length, but for the last.
func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for i, c := range slices.Concat(parts...) {
		sum += uint32(c) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// pseudo is the pseudo header of either family.
func pseudo(src, dst netip.Addr, proto uint8, n int) []byte {
	return slices.Concat(src.AsSlice(), dst.AsSlice(), []byte{0, 0, byte(n >> 8), byte(n), 0, 0, 0, proto})
}

// icmp makes a message; IPv6 has a pseudo header in its checksum, so src and dst are needed.
func icmp(src, dst netip.Addr, kind, code uint8, rest uint32, body []byte) []byte {
	b := append(be.AppendUint32([]byte{kind, code, 0, 0}, rest), body...)
	if src.Is6() {
		be.PutUint16(b[2:], checksum(pseudo(src, dst, 58, len(b)), b))
	} else {
		be.PutUint16(b[2:], checksum(b))
	}
	return b
}

// A segment is a TCP or UDP packet from a client, without its Ethernet header made yet.
type segment struct {
	ipHeader
	sport, dport uint16
	flags        uint8 // TCP
	payload      []byte
	noSum        bool // UDP: checksum 0
	badSum       bool
}

// clientAddr is the address of client i.
func clientAddr(family, i int) netip.Addr {
	if family == 6 {
		a := netip.MustParseAddr("2001:2:0:1::").As16()
		be.PutUint32(a[12:], uint32(i))
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte{198, 19, byte(i >> 8), byte(i)})
}

// tcp is a segment of an established connection to service 0, with 12 bytes of payload.
func tcp(family int) segment {
	return segment{ipHeader: ipHeader{src: clientAddr(family, 1), dst: vip(family, 0), proto: protoTCP}, sport: 40000,
		dport: 80, flags: flagACK, payload: []byte("twelve bytes")}
}

// udp is the same as a datagram.
func udp(family int) segment {
	s := tcp(family)
	s.proto = protoUDP
	return s
}

func (s segment) to(dst netip.Addr, port uint16) segment {
	s.dst, s.dport = dst, port
	return s
}

func (s segment) from(client int, port uint16) segment {
	family := 4
	if s.src.Is6() {
		family = 6
	}
	s.src, s.sport = clientAddr(family, client), port
	return s
}

// l4 is the TCP or UDP part.
func (s segment) l4() []byte {
	b := be.AppendUint16(be.AppendUint16(nil, s.sport), s.dport)
	at := 6
	if s.proto == protoTCP {
		b = append(b, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, s.flags, 0x20, 0, 0, 0, 0, 0)
		at = 16
	} else {
		b = append(be.AppendUint16(b, uint16(8+len(s.payload))), 0, 0)
	}
	b = append(b, s.payload...)
	if !s.noSum {
		be.PutUint16(b[at:], checksum(pseudo(s.src, s.dst, s.proto, len(b)), b))
	}
	if s.badSum {
		b[at] ^= 0x55
	}
	return b
}

// packet is the IP packet.
func (s segment) packet() []byte { return ip(s.ipHeader, s.l4()) }

// bytes is the frame as it reaches the balancer.
func (s segment) bytes() []byte { return eth(balancerMAC, clientMAC, etherType(s.src), s.packet()) }

func etherType(a netip.Addr) uint16 {
	if a.Is6() {
		return typeIPv6
	}
	return typeIPv4
}

// pad makes a frame longer behind its IP packet, as Ethernet does with short ones.
func pad(frame []byte, n int) []byte {
	return append(slices.Clone(frame), make([]byte, max(0, n-len(frame)))...)
}
