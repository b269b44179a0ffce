// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
)

// fuzzPort is the client port of the flows that are under way before a frame comes.
const fuzzPort = 20001

// fuzzLongest is the longest frame: one that the kernel's test run keeps in one piece, as links do for such programs.
const fuzzLongest = 3000

// fuzzEdits is how many edits of an input count: fuzzing makes inputs of a megabyte, which would take seconds.
const fuzzEdits = 16

// baseFrames are what fuzzing starts from: good packets of one family of each kind that a balancer looks at.
func (sc *scene) baseFrames(real netip.AddrPort) [][]byte {
	v6 := sc.tcp.VIP.Addr().Is6()
	client, vip := netip.AddrPortFrom(clientAddr(v6), fuzzPort), sc.tcp.VIP
	router := hostAddr(sc.client, v6)
	natural := netip.AddrPortFrom(real.Addr(), 8080)
	fromVIP := ip(vip.Addr(), client.Addr(), protoTCP, 60, nil, tcpSegment(vip, client, tcpACK, []byte("an answer")))
	fromVIPudp := ip(vip.Addr(), client.Addr(), protoUDP, 60, nil, udpDatagram(vip, client, []byte("an answer")))
	toReal := ip(client.Addr(), natural.Addr(), protoTCP, 60, nil, tcpSegment(client, natural, tcpACK, []byte("translated")))
	return [][]byte{
		sc.tcpTo(client, vip, tcpACK, "data"),
		sc.tcpTo(sc.port(), vip, tcpSYN, ""),
		sc.udpTo(client, vip, "a datagram"),
		sc.udpTo(sc.port(), vip, "another"),
		sc.ether(tooBig(router, vip.Addr(), 1400, fromVIP)),
		sc.ether(tooBig(router, vip.Addr(), 1400, fromVIPudp)),
		sc.ether(tooBig(router, client.Addr(), 1400, toReal)),
		sc.ether(ip(natural.Addr(), client.Addr(), protoTCP, 64, nil, tcpSegment(natural, client, tcpACK, []byte("answer")))),
		sc.ether(ip(natural.Addr(), client.Addr(), protoUDP, 64, nil, udpDatagram(natural, client, []byte("answer")))),
		sc.echo(hostAddr(sc.balancer, v6)),
		sc.tcpTo(client, netip.AddrPortFrom(hostAddr(sc.balancer, v6), 22), tcpACK, "to the host"),
		sc.arp(),
	}
}

// edited is a frame after edits of 4 bytes each: what is done, where (2 bytes) and with which value.
func (sc *scene) edited(frame, edits []byte, real netip.AddrPort) []byte {
	f := bytes.Clone(frame)
	for edits = edits[:min(len(edits), 4*fuzzEdits)]; len(edits) >= 4; edits = edits[4:] {
		at, value := int(binary.BigEndian.Uint16(edits[1:])), edits[3]
		if next := sc.edit(f, edits[0]%16, at, value, real); len(next) <= fuzzLongest {
			f = next
		}
	}
	return f
}

// edit does one edit. Those of headers do nothing to a frame that is too short for them.
func (sc *scene) edit(f []byte, op byte, at int, value byte, real netip.AddrPort) []byte {
	switch {
	case op == 0 && len(f) > 0:
		f[at%len(f)] = value
	case op == 1:
		return f[:at%(len(f)+1)]
	case op == 2 && len(f) >= 14:
		return vlan(f)
	case op == 3:
		return append(f, make([]byte, at%64)...)
	}
	if len(f) < 14+20 || f[14]>>4 == 6 && len(f) < 14+40 {
		return f
	}
	v6, l3 := f[14]>>4 == 6, f[14:]
	switch op {
	case 4: // options or an extension header
		n := 4 * (1 + at%10)
		if !v6 {
			options := bytes.Repeat([]byte{1}, n)
			f[14] = f[14]&0xf0 | byte(min(15, int(f[14]&15)+n/4))
			return fixLength(slices.Concat(f[:34], options, f[34:]))
		}
		header := make([]byte, 8*(1+at%3))
		header[0], header[1], header[3] = l3[6], byte(at%3), value
		l3[6] = []byte{0, 43, 44, 51, 60, 135, 59, 50}[value%8]
		return fixLength(slices.Concat(f[:54], header, f[54:]))
	case 5:
		return fixLength(append(f, bytes.Repeat([]byte{value}, at%1600)...))
	case 6: // a length that may be wrong
		off := map[bool]int{false: 2, true: 4}[v6]
		binary.BigEndian.PutUint16(l3[off:], binary.BigEndian.Uint16(l3[off:])+uint16(int8(value)))
	case 7:
		if !v6 && int(l3[0]&15)*4 <= len(l3) {
			setHeaderSum(l3)
		}
	case 8:
		if p, err := parse(f); err == nil && p.ip != nil && len(p.segment) > checksumAt(p.proto)+1 {
			setTransportSum(p.from.Addr(), p.to.Addr(), p.proto, p.segment)
		}
	case 9: // a port, of the packet or of a quotation
		ports := []uint16{80, 81, 8080, fuzzPort, 0, 0xffff}
		off := []int{20, 22, 40, 42, 48, 50, 60, 62, 88, 90}[at%10]
		if off+2 <= len(l3) {
			binary.BigEndian.PutUint16(l3[off:], ports[int(value)%len(ports)])
		}
	case 10: // an address, of the packet or of a quotation
		to := []netip.Addr{sc.tcp.VIP.Addr(), real.Addr(), clientAddr(v6), hostAddr(sc.balancer, v6)}[value%4]
		off := map[bool][]int{false: {12, 16, 40, 44}, true: {8, 24, 56, 72}}[v6][at%4]
		if to.Is6() == v6 && off+len(to.AsSlice()) <= len(l3) {
			copy(l3[off:], to.AsSlice())
		}
	case 11: // fragments, of the packet or of a quotation
		off := []int{6, 34}[at%2]
		if !v6 && off+2 <= len(l3) {
			binary.BigEndian.PutUint16(l3[off:], []uint16{0, 0x4000, 0x2000, 0x2001, 1, 185, 0x8000, 0x1fff}[value%8])
		}
	case 12:
		f[at%6] ^= value
	case 13:
		l3[map[bool]int{false: 8, true: 7}[v6]] = value % 4
	case 14:
		l3[map[bool]int{false: 9, true: 6}[v6]] = []byte{6, 17, 1, 58, 4, 41, 0, 44, 132}[value%9]
	case 15: // TCP flags, or type and code
		if off := map[bool]int{false: 20, true: 40}[v6] + []int{13, 0, 1}[at%3]; off < len(l3) {
			l3[off] = value
		}
	}
	return f
}

// fixLength makes the IP header say how long the frame is.
func fixLength(f []byte) []byte {
	if f[14]>>4 == 6 {
		binary.BigEndian.PutUint16(f[18:], uint16(len(f)-54))
		return f
	}
	binary.BigEndian.PutUint16(f[16:], uint16(len(f)-14))
	if int(f[14]&15)*4 <= len(f)-14 {
		setHeaderSum(f[14:])
	}
	return f
}
