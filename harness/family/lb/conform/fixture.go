// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"encoding/binary"
	"net/netip"

	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/netlab"
)

// fate is what a balancer must do with the frames of a fixture.
type fate int

const (
	forwarded fate = iota // every frame reaches one and the same backend, as the class has it
	dropped               // none reaches a backend
	either                // dropped, or forwarded right: implementations differ and both are sound
	alone                 // not for the balancer: if it comes out at all, then with its destination unchanged
	answered              // the balancer's machine answers the sender
)

// A fixture is a few frames of one client with what must become of them.
type fixture struct {
	name   string
	fate   fate
	frames [][]byte
	class  string // only for this class; empty: for all
	// wrongSum: the transport checksum is wrong on purpose and must stay wrong.
	wrongSum bool
	// reply checks the answer, for fate answered.
	reply func(p packet) error
	// quotes: the frames but the first are ICMP errors about the flow of the first.
	quotes bool
}

// scene is who takes part in the fixtures.
type scene struct {
	client, balancer *netlab.Host
	tcp, udp         service.Service
	next             uint16 // client port of the next fixture
}

// firstPort is the client port of the first fixture; each fixture has one of its own, by which its frames are known.
const firstPort = 20000

// clientAddr is the address from which fixtures come: one that the client host owns.
func clientAddr(v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr("2001:2:0:1::707")
	}
	return netip.MustParseAddr("198.19.7.7")
}

// port returns a client port that no other fixture has.
func (s *scene) port() netip.AddrPort {
	s.next++
	return netip.AddrPortFrom(clientAddr(s.tcp.VIP.Addr().Is6()), firstPort+s.next)
}

// ether puts a packet into a frame from the client to the balancer.
func (s *scene) ether(packet []byte) []byte {
	kind := uint16(etherIPv4)
	if packet[0]>>4 == 6 {
		kind = etherIPv6
	}
	return ether(s.balancer.MAC, s.client.MAC, kind, packet)
}

// reply is a frame from a backend to the balancer.
func (s *scene) reply(from service.Backend, packet []byte) []byte {
	frame := s.ether(packet)
	copy(frame[6:12], from.MAC)
	return frame
}

// tcpTo is a TCP frame from a client to an address.
func (s *scene) tcpTo(from, to netip.AddrPort, flags byte, payload string) []byte {
	return s.ether(ip(from.Addr(), to.Addr(), protoTCP, 64, nil, tcpSegment(from, to, flags, []byte(payload))))
}

// udpTo is a UDP frame from a client to an address.
func (s *scene) udpTo(from, to netip.AddrPort, payload string) []byte {
	return s.ether(ip(from.Addr(), to.Addr(), protoUDP, 64, nil, udpDatagram(from, to, []byte(payload))))
}

// spoil makes the transport checksum of a frame wrong.
func spoil(frame []byte, proto byte) []byte {
	at := len(frame) - segmentLen(frame) + checksumAt(proto)
	binary.BigEndian.PutUint16(frame[at:], binary.BigEndian.Uint16(frame[at:])^0x5555)
	return frame
}

// noUDPSum takes the checksum out of an IPv4 UDP frame.
func noUDPSum(frame []byte) []byte {
	at := len(frame) - segmentLen(frame) + checksumAt(protoUDP)
	frame[at], frame[at+1] = 0, 0
	return frame
}

// segmentLen is the length of the transport segment at the end of a frame without IP options.
func segmentLen(frame []byte) int {
	if frame[14]>>4 == 6 {
		return len(frame) - 14 - 40
	}
	return len(frame) - 14 - 20
}

// fragment makes a frame a fragment at the given offset, in units of 8 bytes, with more to come where more is set. The
// offset is also its identification: fragments of two offsets are never put together.
func fragment(frame []byte, offset uint16, more bool) []byte {
	if frame[14]>>4 == 4 {
		flags := offset
		if more {
			flags |= 0x2000
		}
		binary.BigEndian.PutUint16(frame[18:], offset+1)
		binary.BigEndian.PutUint16(frame[20:], flags)
		setHeaderSum(frame[14:])
		return frame
	}
	// IPv6: a fragment header goes between.
	next := frame[20]
	field := offset << 3
	if more {
		field |= 1
	}
	header := binary.BigEndian.AppendUint16([]byte{next, 0}, field)
	header = append(header, 0, 0, 0, byte(offset+1))
	out := append(append(append([]byte(nil), frame[:54]...), header...), frame[54:]...)
	out[20] = 44
	binary.BigEndian.PutUint16(out[18:], uint16(len(out)-54))
	return out
}
