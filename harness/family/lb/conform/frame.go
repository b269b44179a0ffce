// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
)

// Numbers of the protocols in fixtures.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherARP  = 0x0806

	protoICMP   = 1
	protoIPIP   = 4
	protoTCP    = 6
	protoUDP    = 17
	protoIPv6   = 41
	protoICMPv6 = 58

	protoDestinationOptions = 60

	tcpSYN = 0x02
	tcpRST = 0x04
	tcpACK = 0x10
)

// ether returns a packet in an Ethernet frame.
func ether(dst, src net.HardwareAddr, kind uint16, packet []byte) []byte {
	return slices.Concat[[]byte](dst, src, []byte{byte(kind >> 8), byte(kind)}, packet)
}

// sum adds bytes to a ones' complement sum (RFC 1071).
func sum(acc uint32, b []byte) uint32 {
	for len(b) >= 2 {
		acc += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		acc += uint32(b[0]) << 8
	}
	return acc
}

// fold finishes a ones' complement sum.
func fold(acc uint32) uint16 {
	for acc>>16 != 0 {
		acc = acc&0xffff + acc>>16
	}
	return ^uint16(acc)
}

// transportSum returns the checksum of a TCP, UDP or ICMPv6 segment with its pseudo header and its present checksum field.
func transportSum(src, dst netip.Addr, proto byte, segment []byte) uint16 {
	acc := sum(0, src.AsSlice())
	acc = sum(acc, dst.AsSlice())
	acc += uint32(proto) + uint32(len(segment))
	return fold(sum(acc, segment))
}

// checksumAt returns the offset of the checksum field in a transport header.
func checksumAt(proto byte) int {
	switch proto {
	case protoTCP:
		return 16
	case protoUDP:
		return 6
	}
	return 2
}

// setTransportSum writes the right checksum into a segment.
func setTransportSum(src, dst netip.Addr, proto byte, segment []byte) {
	at := checksumAt(proto)
	segment[at], segment[at+1] = 0, 0
	check := transportSum(src, dst, proto, segment)
	if proto == protoICMP {
		check = fold(sum(0, segment))
	}
	if check == 0 && proto == protoUDP {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(segment[at:], check)
}

// ip returns an IPv4 or IPv6 packet, by the family of src, with a segment. Options are IPv4's, a multiple of 4 bytes.
func ip(src, dst netip.Addr, proto byte, ttl byte, options, segment []byte) []byte {
	if src.Is6() {
		p := make([]byte, 40, 40+len(segment))
		p[0] = 0x60
		binary.BigEndian.PutUint16(p[4:], uint16(len(segment)))
		p[6], p[7] = proto, ttl
		copy(p[8:], src.AsSlice())
		copy(p[24:], dst.AsSlice())
		return append(p, segment...)
	}
	header := 20 + len(options)
	p := make([]byte, header, header+len(segment))
	p[0] = 0x40 | byte(header/4)
	binary.BigEndian.PutUint16(p[2:], uint16(header+len(segment)))
	p[4], p[5] = 0x12, 0x34
	p[6] = 0x40 // don't fragment
	p[8], p[9] = ttl, proto
	copy(p[12:], src.AsSlice())
	copy(p[16:], dst.AsSlice())
	copy(p[20:], options)
	setHeaderSum(p)
	return append(p, segment...)
}

// setHeaderSum writes the right header checksum into an IPv4 packet.
func setHeaderSum(p []byte) {
	header := int(p[0]&15) * 4
	p[10], p[11] = 0, 0
	binary.BigEndian.PutUint16(p[10:], fold(sum(0, p[:header])))
}

// Sequence numbers of fixtures: the first byte that client and real send after the handshake.
const (
	clientSeq = 1000
	realSeq   = 2000
)

// tcpSegment returns a client's TCP segment with the right checksum: a SYN, or the first segment after the handshake.
func tcpSegment(src, dst netip.AddrPort, flags byte, payload []byte) []byte {
	s := make([]byte, 20, 20+len(payload))
	binary.BigEndian.PutUint16(s[0:], src.Port())
	binary.BigEndian.PutUint16(s[2:], dst.Port())
	seq := uint32(clientSeq)
	if flags&tcpSYN != 0 {
		seq--
	}
	binary.BigEndian.PutUint32(s[4:], seq)
	if flags&tcpACK != 0 {
		binary.BigEndian.PutUint32(s[8:], realSeq)
	}
	s[12], s[13] = 5<<4, flags
	binary.BigEndian.PutUint16(s[14:], 65000)
	s = append(s, payload...)
	setTransportSum(src.Addr(), dst.Addr(), protoTCP, s)
	return s
}

// synAck returns a real's answer to a SYN.
func synAck(src, dst netip.AddrPort) []byte {
	s := tcpSegment(src, dst, tcpSYN|tcpACK, nil)
	binary.BigEndian.PutUint32(s[4:], realSeq-1)
	binary.BigEndian.PutUint32(s[8:], clientSeq)
	setTransportSum(src.Addr(), dst.Addr(), protoTCP, s)
	return s
}

// udpDatagram returns a UDP datagram with the right checksum.
func udpDatagram(src, dst netip.AddrPort, payload []byte) []byte {
	s := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(s[0:], src.Port())
	binary.BigEndian.PutUint16(s[2:], dst.Port())
	binary.BigEndian.PutUint16(s[4:], uint16(8+len(payload)))
	s = append(s, payload...)
	setTransportSum(src.Addr(), dst.Addr(), protoUDP, s)
	return s
}

// icmp returns an ICMP or ICMPv6 message with the type and code.
func icmp(src, dst netip.Addr, kind, code byte, rest uint32, quoted []byte) (proto byte, message []byte) {
	m := make([]byte, 8, 8+len(quoted))
	m[0], m[1] = kind, code
	binary.BigEndian.PutUint32(m[4:], rest)
	m = append(m, quoted...)
	proto = protoICMP
	if src.Is6() {
		proto = protoICMPv6
	}
	setTransportSum(src, dst, proto, m)
	return proto, m
}

// tooBig returns the ICMP error "fragmentation needed" or "packet too big" with the MTU.
func tooBig(from, to netip.Addr, mtu int, quoted []byte) []byte {
	kind, code := byte(3), byte(4)
	if from.Is6() {
		kind, code = 2, 0
	}
	proto, m := icmp(from, to, kind, code, uint32(mtu), quoted)
	return ip(from, to, proto, 64, nil, m)
}
