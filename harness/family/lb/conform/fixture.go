// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/netlab"
)

// An action is the required handling of a fixture's frames.
type action int

const (
	actForward action = iota // every frame reaches the same backend, as the class requires
	actDrop                  // no frame reaches a backend
	actEither                // dropped or forwarded correctly: both are sound
	actIgnore                // not balanced: a frame that comes out has its destination unchanged
	actReply                 // the balancer's machine answers the sender
)

// A fixture is a few frames of one client with the action that they require.
type fixture struct {
	name     string
	action   action
	frames   [][]byte
	class    string               // the only class it is for; empty: all
	wrongSum bool                 // the transport checksum is wrong on purpose and must stay wrong
	reply    func(p packet) error // checks the answer, for actReply
	quotes   bool                 // all frames but the first are ICMP errors about the flow of the first
}

// A scene holds the hosts and services of the fixtures.
type scene struct {
	client, balancer *netlab.Host
	tcp, udp         service.Service
	next             uint16 // client port of the next fixture
}

// firstPort is the client port of the first fixture. Each fixture has its own port, which identifies its frames.
const firstPort = 20000

// clientAddr returns the source address of the fixtures, which the client host owns.
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

// ether returns a packet in a frame from the client to the balancer.
func (s *scene) ether(packet []byte) []byte {
	kind := uint16(etherIPv4)
	if packet[0]>>4 == 6 {
		kind = etherIPv6
	}
	return ether(s.balancer.MAC, s.client.MAC, kind, packet)
}

// reply returns a packet in a frame from a backend to the balancer.
func (s *scene) reply(from service.Backend, packet []byte) []byte {
	frame := s.ether(packet)
	copy(frame[6:12], from.MAC)
	return frame
}

// syn returns the first frame of a TCP flow to the service.
func (s *scene) syn(from netip.AddrPort) []byte { return s.tcpTo(from, s.tcp.VIP, tcpSYN, "") }

// tcpTo returns a TCP frame from a client to an address.
func (s *scene) tcpTo(from, to netip.AddrPort, flags byte, payload string) []byte {
	return s.ether(ip(from.Addr(), to.Addr(), protoTCP, 64, nil, tcpSegment(from, to, flags, []byte(payload))))
}

// udpTo returns a UDP frame from a client to an address.
func (s *scene) udpTo(from, to netip.AddrPort, payload string) []byte {
	return s.ether(ip(from.Addr(), to.Addr(), protoUDP, 64, nil, udpDatagram(from, to, []byte(payload))))
}

// breakSum makes the transport checksum of a frame wrong.
func breakSum(frame []byte, proto byte) []byte {
	at := len(frame) - segmentLen(frame) + checksumAt(proto)
	binary.BigEndian.PutUint16(frame[at:], binary.BigEndian.Uint16(frame[at:])^0x5555)
	return frame
}

// clearUDPSum removes the checksum of an IPv4 UDP frame.
func clearUDPSum(frame []byte) []byte {
	at := len(frame) - segmentLen(frame) + checksumAt(protoUDP)
	frame[at], frame[at+1] = 0, 0
	return frame
}

// segmentLen returns the length of the transport segment at the end of a frame without IP options.
func segmentLen(frame []byte) int {
	if frame[14]>>4 == 6 {
		return len(frame) - 14 - 40
	}
	return len(frame) - 14 - 20
}

// fragment makes a frame a fragment at the offset, in units of 8 bytes; more: it is not the last. The identification
// follows from the offset, so fragments of two offsets are never reassembled.
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
	field := offset << 3
	if more {
		field |= 1
	}
	header := binary.BigEndian.AppendUint16([]byte{frame[20], 0}, field)
	out := slices.Concat(frame[:54], header, []byte{0, 0, 0, byte(offset + 1)}, frame[54:])
	out[20] = 44
	binary.BigEndian.PutUint16(out[18:], uint16(len(out)-54))
	return out
}
