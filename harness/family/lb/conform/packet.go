// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// A packet is a parsed frame. Missing parts are zero.
type packet struct {
	frame    []byte
	dst, src net.HardwareAddr
	kind     uint16 // ethertype
	ip       []byte // the IP packet, cut to its own length
	from, to netip.AddrPort
	proto    byte
	ttl      byte
	segment  []byte // TCP, UDP or ICMP, header included
}

// parse parses a frame. It returns an error if the lengths in it contradict each other.
func parse(frame []byte) (packet, error) {
	p := packet{frame: frame}
	if len(frame) < 14 {
		return p, fmt.Errorf("frame of %d bytes", len(frame))
	}
	p.dst, p.src = net.HardwareAddr(frame[0:6]), net.HardwareAddr(frame[6:12])
	p.kind = binary.BigEndian.Uint16(frame[12:])
	if p.kind != etherIPv4 && p.kind != etherIPv6 {
		return p, nil
	}
	return p, p.parseIP(frame[14:])
}

// parseIP fills in the network and transport part from an IP packet.
func (p *packet) parseIP(b []byte) error {
	var header, total int
	var src, dst netip.Addr
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		header, total = int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		p.proto, p.ttl = b[9], b[8]
		src, dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	case len(b) >= 40 && b[0]>>4 == 6:
		header, total = 40, 40+int(binary.BigEndian.Uint16(b[4:]))
		p.proto, p.ttl = b[6], b[7]
		src, dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	default:
		return fmt.Errorf("IP packet of %d bytes", len(b))
	}
	if header > total || total > len(b) {
		return fmt.Errorf("IP packet says %d bytes, header %d, and has %d", total, header, len(b))
	}
	for total-header >= 8 && b[0]>>4 == 6 && p.proto == protoDestinationOptions {
		p.proto, header = b[header], header+8+int(b[header+1])*8
		if header > total {
			return fmt.Errorf("IPv6 options run past the packet")
		}
	}
	p.ip, p.segment = b[:total], b[header:total]
	var sport, dport uint16
	if (p.proto == protoTCP || p.proto == protoUDP) && len(p.segment) >= 4 {
		sport, dport = binary.BigEndian.Uint16(p.segment), binary.BigEndian.Uint16(p.segment[2:])
	}
	p.from, p.to = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
	return nil
}

// ownAffair is true for what a host sends by itself, at any time: to a group (multicast listener reports, RFC 3810, router and
// neighbour solicitations, RFC 4861), ARP requests, and neighbour discovery from one host to another.
func (p *packet) ownAffair() bool {
	const request = 1
	if len(p.dst) == 6 && p.dst[0]&1 != 0 || p.kind == etherARP && len(p.frame) >= 22 && p.frame[21] == request {
		return true
	}
	const routerSolicitation, redirect = 133, 137
	return p.proto == protoICMPv6 && len(p.segment) > 0 && p.segment[0] >= routerSolicitation && p.segment[0] <= redirect
}

// checksums returns an error if the IPv4 header's or the transport's checksum is wrong.
func (p *packet) checksums() error {
	if p.ip[0]>>4 == 4 && fold(sum(0, p.ip[:int(p.ip[0]&15)*4])) != 0 {
		return fmt.Errorf("wrong IPv4 header checksum")
	}
	return p.transportChecksum()
}

// lacksChecksum is true for UDP over IPv4 without a checksum, which is allowed.
func (p *packet) lacksChecksum() bool {
	return p.proto == protoUDP && p.ip[0]>>4 == 4 && p.segment[6] == 0 && p.segment[7] == 0
}

// transportChecksum returns an error if the transport checksum is wrong.
func (p *packet) transportChecksum() error {
	if len(p.segment) < checksumAt(p.proto)+2 {
		return fmt.Errorf("segment of %d bytes", len(p.segment))
	}
	var got uint16
	switch p.proto {
	case protoICMP:
		got = fold(sum(0, p.segment))
	case protoTCP, protoUDP, protoICMPv6:
		got = transportSum(p.from.Addr(), p.to.Addr(), p.proto, p.segment)
	}
	if got != 0 && !p.lacksChecksum() {
		return fmt.Errorf("wrong transport checksum")
	}
	return nil
}

// inner returns the packet inside a tunnel, or nil if there is none.
func (p *packet) inner() *packet {
	if p.proto != protoIPIP && p.proto != protoIPv6 {
		return nil
	}
	in := &packet{frame: p.frame, dst: p.dst, src: p.src}
	if in.parseIP(p.segment) != nil {
		return nil
	}
	return in
}

// quoted returns the packet that an ICMP error quotes, or nil. Quotes are truncated, so their lengths are not checked.
func (p *packet) quoted() *packet {
	if p.proto != protoICMP && p.proto != protoICMPv6 || len(p.segment) < 8+20 {
		return nil
	}
	kind := p.segment[0]
	if p.proto == protoICMP && kind != 3 && kind != 11 && kind != 12 || p.proto == protoICMPv6 && kind >= 128 {
		return nil
	}
	b := bytes.Clone(p.segment[8:])
	if b[0]>>4 == 4 {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	} else if len(b) >= 40 {
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	}
	q := &packet{}
	if q.parseIP(b) != nil {
		return nil
	}
	return q
}

// isSYN is true if the packet opens a TCP connection.
func (p *packet) isSYN() bool {
	return p.proto == protoTCP && len(p.segment) >= 20 && p.segment[13]&(tcpSYN|tcpACK) == tcpSYN
}
