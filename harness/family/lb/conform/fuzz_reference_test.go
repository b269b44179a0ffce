// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
)

// A decision is what a balancer has to do with a frame.
type decision int

const (
	decidePass   decision = iota // leave it to the kernel, as it is
	decideDrop                   // a service's packet that cannot be balanced
	decideSend                   // to the service's real, as the class has it
	decideAnswer                 // tell the sender that it is too big
	decideBack                   // translate an answer of the real
	decideError                  // translate an error about a translated packet
)

var decisionNames = []string{"pass", "drop", "send", "answer", "translate back", "translate error"}

func (d decision) String() string { return decisionNames[d] }

// A tuple is how a flow's packets are addressed; of an ICMP error, how those of the flow are that it is about, in the
// error's own direction.
type tuple struct {
	from, to netip.AddrPort
	proto    byte
}

// A reference decides slowly, from the packet's bytes and what is written about each class, what becomes of a frame.
type reference struct {
	class    string
	mac      []byte // the balancer's
	mtu      int    // largest packet for a tunnel
	services map[tuple]bool
	known    map[tuple]decision // translated flows by what packets carry: decideSend or decideBack
	fresh    bool               // the last packet to be sent was of none of them
}

// decide is the decision about a frame.
func (r *reference) decide(frame []byte) decision {
	if len(frame) < 14 || !bytes.Equal(frame[:6], r.mac) {
		return decidePass
	}
	switch b := frame[14:]; binary.BigEndian.Uint16(frame[12:]) {
	case etherIPv4:
		return r.ipv4(b)
	case etherIPv6:
		return r.ipv6(b)
	}
	return decidePass
}

func u16(b []byte) int { return int(binary.BigEndian.Uint16(b)) }

func portsAt(b []byte, src, dst netip.Addr, proto byte) tuple {
	return tuple{netip.AddrPortFrom(src, uint16(u16(b))), netip.AddrPortFrom(dst, uint16(u16(b[2:]))), proto}
}

// turned is the tuple of the opposite direction.
func (t tuple) turned() tuple { return tuple{t.to, t.from, t.proto} }

func transport(proto byte) bool { return proto == protoTCP || proto == protoUDP }

// least is the length of a transport header.
func least(proto byte) int {
	if proto == protoTCP {
		return 20
	}
	return 8
}

func (r *reference) ipv4(b []byte) decision {
	if len(b) < 20 || b[0]>>4 != 4 || b[0]&15 < 5 {
		return decidePass
	}
	header, total, fragment, proto := int(b[0]&15)*4, u16(b[2:]), u16(b[6:]), b[9]
	src, dst := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	whole := total >= 20 && total <= len(b)
	if transport(proto) {
		whole = whole && total-20 >= least(proto)
		if whole && header == 20 && fragment&0x3fff == 0 {
			return r.packet(portsAt(b[20:], src, dst, proto), total, b[8], fragment&0x4000 != 0)
		}
		if fragment&0x1fff != 0 || header+4 > len(b) {
			return decidePass
		}
		return r.refused(portsAt(b[header:], src, dst, proto))
	}
	if proto != protoICMP || !whole || header != 20 || fragment&0x3fff != 0 || total < 20+8+20+8 ||
		!slices.Contains([]byte{3, 11, 12}, b[20]) {
		return decidePass
	}
	q := b[28:total]
	if q[0] != 0x45 || !transport(q[9]) || u16(q[6:])&0x1fff != 0 || !bytes.Equal(q[12:16], b[16:20]) {
		return decidePass
	}
	about := portsAt(q[20:], netip.AddrFrom4([4]byte(q[12:16])), netip.AddrFrom4([4]byte(q[16:20])), q[9]).turned()
	return r.about(about, total, b[8])
}

func (r *reference) ipv6(b []byte) decision {
	if len(b) < 40 || b[0]>>4 != 6 {
		return decidePass
	}
	payload, next := u16(b[4:]), b[6]
	src, dst := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	whole, at := 40+payload <= len(b), 40
	switch {
	case transport(next):
		if whole && payload >= least(next) {
			return r.packet(portsAt(b[40:], src, dst, next), 40+payload, b[7], true)
		}
	case next == protoICMPv6:
		if !whole || payload < 8+40+8 || b[40] < 1 || b[40] > 4 {
			return decidePass
		}
		q := b[48:]
		if q[0]>>4 != 6 || !transport(q[6]) || !bytes.Equal(q[8:24], b[24:40]) {
			return decidePass
		}
		about := portsAt(q[40:], netip.AddrFrom16([16]byte(q[8:24])), netip.AddrFrom16([16]byte(q[24:40])), q[6]).turned()
		return r.about(about, 40+payload, b[7])
	case slices.Contains([]byte{0, 43, 60, 135, 51, 44}, next) && whole && len(b) >= 48:
		length := 8 + 8*int(b[41])
		switch next {
		case 51:
			length = 8 + 4*int(b[41])
		case 44:
			length = 8
			if u16(b[42:])>>3 != 0 {
				return decidePass
			}
		}
		next, at = b[40], 40+length
	default:
		return decidePass
	}
	if !transport(next) || at+4 > len(b) {
		return decidePass
	}
	return r.refused(portsAt(b[at:], src, dst, next))
}

func (r *reference) serves(t tuple) bool { return r.services[tuple{to: t.to, proto: t.proto}] }

// refused: what cannot be balanced is dropped if it is recognisably a service's or, where packets are translated, of a flow.
func (r *reference) refused(t tuple) decision {
	_, known := r.known[t]
	if r.serves(t) || known {
		return decideDrop
	}
	return decidePass
}

// packet is a whole TCP or UDP packet of n bytes.
func (r *reference) packet(t tuple, n int, ttl byte, dontFragment bool) decision {
	d, known := r.known[t]
	switch {
	case r.class == "nat" && ttl <= 1:
		return decidePass
	case known:
		r.fresh = false
		return d
	case !r.serves(t):
		return decidePass
	case r.class == "ipip" && n > r.mtu && !dontFragment:
		return decideDrop
	case r.class == "ipip" && n > r.mtu:
		return decideAnswer
	}
	r.fresh = true
	return decideSend
}

// about is an ICMP error of n bytes about a packet of the opposite direction.
func (r *reference) about(t tuple, n int, ttl byte) decision {
	_, known := r.known[t]
	switch {
	case r.class == "nat" && known && ttl > 1:
		return decideError
	case r.class == "nat" || !r.serves(t):
		return decidePass
	case r.class == "ipip" && n > r.mtu:
		return decideDrop
	}
	return decideSend
}
