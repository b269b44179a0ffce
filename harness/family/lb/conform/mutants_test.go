// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// A mutant is a balancer with one fault and what the gate must say about it.
type mutant struct {
	fault  string
	class  string // empty: every class that balances packets
	family byte   // 4 or 6; 0: both
	broken broken
	want   string // how the error begins, or a part of it
}

func (t mutant) concerns(class string, v6 bool) bool {
	return (t.class == class || t.class == "" && class != harness.ClassCeiling) && (t.family == 0 || v6 == (t.family == 6))
}

// drop makes a mutant that drops what the function finds.
func drop(is func(in *packet) bool) broken {
	return broken{in: func(_ *model, in *packet) bool { return !is(in) }}
}

// after makes a mutant that changes what is sent for packets of the service.
func after(change func(m *model, in *packet, frame []byte) []byte) broken {
	return broken{out: func(m *model, in *packet, frame []byte) []byte {
		if frame == nil || in.to != m.service.VIP {
			return frame
		}
		return change(m, in, frame)
	}}
}

// astray makes a mutant that sends packets of known flows to another backend where the function says so.
func astray(is func(in *packet) bool) broken {
	return broken{pick: func(m *model, in *packet) (service.Backend, bool) {
		b := m.flows[in.from]
		for i, other := range m.service.Backends {
			if other.Addr == b.Addr {
				return m.service.Backends[(i+1)%len(m.service.Backends)], is(in)
			}
		}
		return b, false
	}}
}

// payload is what a TCP or UDP packet carries.
func payload(in *packet) string {
	header := 8
	if in.proto == protoTCP {
		header = 20
	}
	if len(in.segment) < header {
		return ""
	}
	return string(in.segment[header:])
}

func is(proto byte, what string) func(*packet) bool {
	return func(in *packet) bool { return in.proto == proto && payload(in) == what }
}

// packetMutants are the faults that the fixtures must find, in their order.
func packetMutants() []mutant {
	all := func(*packet) bool { return true }
	return []mutant{
		{"forgets TCP flows", "", 0, astray(is(protoTCP, "hello")), "TCP: SYN, then data of the same flow: frame 1: it went to"},
		{"wants to see a SYN first", "", 0, drop(is(protoTCP, "stray")), "TCP: data of a flow whose SYN was not seen: frame 0: nothing"},
		{"drops resets", "", 0, drop(func(in *packet) bool { return in.proto == protoTCP && in.segment[13]&tcpRST != 0 }),
			"TCP: reset follows its flow: frame 1: nothing"},
		{"resets go elsewhere", "", 0, astray(func(in *packet) bool { return in.proto == protoTCP && in.segment[13]&tcpRST != 0 }),
			"TCP: reset follows its flow: frame 1: it went to"},
		{"forgets UDP flows", "", 0, astray(is(protoUDP, "two")), "UDP: two datagrams of one flow: frame 1: it went to"},
		{"drops an odd last byte", "", 0, after(func(_ *model, in *packet, f []byte) []byte {
			if strings.HasPrefix(payload(in), "odd") {
				f[len(f)-1] = 0
			}
			return f
		}), "UDP: odd length: frame 0:"},
		{"drops empty datagrams", "", 0, drop(is(protoUDP, "")), "UDP: empty: frame 0: nothing"},
		{"drops long packets", "", 0, drop(func(in *packet) bool { return len(in.ip) > 1480 }), "TCP: full-sized segment: frame 0: nothing"},
		{"counts the padding in", "ipip", 0, after(func(m *model, in *packet, f []byte) []byte {
			if n := len(in.frame) - 14 - len(in.ip); n > 0 {
				b := m.flows[in.from]
				return m.ether(b.MAC, ip(hostAddr(m.sc.balancer, b.Addr.Addr().Is6()), b.Addr.Addr(), f[14+9], 64, nil, in.frame[14:]))
			}
			return f
		}), "Ethernet padding after the packet: frame 0:"},
		{"drops padded frames", "", 0, drop(func(in *packet) bool { return len(in.frame) > 14+len(in.ip) }),
			"Ethernet padding after the packet: frame 0: nothing"},
		{"adds a checksum where there was none", "nat", 4, after(func(_ *model, in *packet, f []byte) []byte {
			if isUnsummed(in) {
				p, _ := parse(f)
				setTransportSum(p.from.Addr(), p.to.Addr(), protoUDP, p.segment)
			}
			return f
		}), "UDP: no checksum stays none: frame 0: packet differs"},
		{"drops datagrams without a checksum", "", 4, drop(func(in *packet) bool { return in.proto == protoUDP && isUnsummed(in) }),
			"UDP: no checksum stays none: frame 0: nothing"},
		{"repairs UDP checksums", "", 0, after(repair(protoUDP)), "UDP: wrong checksum is not repaired:"},
		{"repairs TCP checksums", "", 0, after(repair(protoTCP)), "TCP: wrong checksum is not repaired:"},
		{"forwards first fragments", "", 0, broken{accept: func(_ *model, f []byte) []byte { return whole(f, 0) }}, "first fragment alone: a frame"},
		{"forwards later fragments", "", 0, broken{accept: func(_ *model, f []byte) []byte { return whole(f, 9) }}, "later fragment alone: a frame"},
		{"spoils what comes after options", "", 4, after(func(_ *model, in *packet, f []byte) []byte {
			if in.ip[0] != 0x45 {
				f[len(f)-1] ^= 1
			}
			return f
		}), "IPv4 options:"},
		{"spoils what comes after options", "", 6, after(func(_ *model, in *packet, f []byte) []byte {
			if in.ip[6] == protoDestinationOptions {
				f[len(f)-1] ^= 1
			}
			return f
		}), "IPv6 destination options:"},
		{"takes VLAN tags off", "", 0, broken{accept: func(_ *model, f []byte) []byte {
			if binary.BigEndian.Uint16(f[12:]) == 0x8100 {
				return append(f[:12], f[16:]...)
			}
			return f
		}}, "VLAN tag: a frame"},
		{"takes what is for other stations", "", 0, broken{accept: func(m *model, f []byte) []byte {
			copy(f, m.sc.balancer.MAC)
			return f
		}}, "frame for another station: a frame"},
		{"believes TCP packets that are cut", "", 0, broken{accept: func(_ *model, f []byte) []byte { return padded(f, protoTCP) }},
			"TCP cut at every length: a frame"},
		{"believes UDP packets that are cut", "", 0, broken{accept: func(_ *model, f []byte) []byte { return padded(f, protoUDP) }},
			"UDP cut at every length: a frame"},
		{"balances every port", "", 0, broken{accept: port81}, "another port of the address: it was balanced"},
		{"balances other addresses", "", 0, broken{accept: func(m *model, f []byte) []byte {
			if p, err := parse(f); err == nil && p.to == netip.AddrPortFrom(m.service.VIP.Addr().Next(), 80) {
				setDestination(f[14:], m.service.VIP)
			}
			return f
		}}, "another address: it was balanced"},
		{"drops ICMP errors", "", 0, drop(func(in *packet) bool { return in.quoted() != nil }), "ICMP: too big, about a reply, reaches the flow's backend: frame 1: nothing"},
		{"sends ICMP errors elsewhere", "", 0, broken{out: func(m *model, in *packet, f []byte) []byte {
			if in.quoted() != nil {
				b := m.service.Backends[0]
				if bytes.Equal(b.MAC, f[:6]) {
					b = m.service.Backends[1]
				}
				copy(f, b.MAC)
			}
			return f
		}}, "ICMP: too big, about a reply, reaches the flow's backend: frame 1: it went to"},
		{"leaves the quote as it is", "nat", 0, broken{out: func(m *model, in *packet, f []byte) []byte {
			if in.quoted() != nil {
				b := m.flows[in.quoted().to]
				return m.ether(b.MAC, tooBig(in.from.Addr(), b.Addr.Addr(), 1400, in.quoted().ip))
			}
			return f
		}}, "ICMP: too big, about a reply, reaches the flow's backend: frame 1: quotes"},
		{"spoils the ICMP checksum", "nat", 0, broken{out: func(_ *model, in *packet, f []byte) []byte {
			if in.quoted() != nil {
				f[len(f)-1] ^= 1
			}
			return f
		}}, "ICMP: too big, about a reply, reaches the flow's backend: frame 1: wrong transport checksum"},
		{"keeps pings", "", 0, drop(func(in *packet) bool {
			return strings.HasPrefix(payload(in), "echo") || bytes.HasSuffix(in.segment, []byte("echo, echo"))
		}),
			"ICMP: echo to the balancer's own address: frame 0: nothing"},
		{"answers pings wrong", "", 0, broken{out: func(_ *model, in *packet, f []byte) []byte {
			if bytes.HasSuffix(in.segment, []byte("echo, echo")) {
				f[len(f)-1] ^= 1
			}
			return f
		}}, "ICMP: echo to the balancer's own address: frame 0: wrong transport checksum"},
		{"keeps ARP", "", 4, broken{out: func(_ *model, in *packet, f []byte) []byte {
			if in.kind == etherARP {
				return nil
			}
			return f
		}}, "ARP for the balancer's own address: frame 0: nothing"},
		{"answers ARP for another", "", 4, broken{out: func(_ *model, in *packet, f []byte) []byte {
			if in.kind == etherARP {
				f[27] ^= 1
			}
			return f
		}}, "ARP for the balancer's own address: frame 0: not an ARP reply"},
		{"keeps quiet about what is too big", "ipip", 0, drop(func(in *packet) bool { return len(in.ip) > modelMTU }),
			"a packet that does not fit the tunnel: frame 0: nothing"},
		{"names a wrong MTU", "ipip", 0, broken{out: func(m *model, in *packet, f []byte) []byte {
			if len(in.ip) > modelMTU {
				p, _ := parse(f)
				p.segment[7]--
				setTransportSum(p.from.Addr(), p.to.Addr(), p.proto, p.segment)
			}
			return f
		}}, "a packet that does not fit the tunnel: frame 0: it names an MTU"},

		// Faults of every packet: the first fixture finds them.
		{"leaves the client's MAC as the source", "", 0, after(func(m *model, _ *packet, f []byte) []byte {
			copy(f[6:], m.sc.client.MAC)
			return f
		}), "sent from"},
		{"sends to a real that is no backend", "", 0, after(func(m *model, _ *packet, f []byte) []byte {
			copy(f, m.reality[4].MAC)
			return f
		}), "none of the service's backends"},
		{"changes the payload", "", 0, after(func(_ *model, _ *packet, f []byte) []byte { f[len(f)-1] ^= 1; return f }), "differs at byte"},
		{"sends less than the header says", "", 0, after(func(_ *model, _ *packet, f []byte) []byte { return f[:len(f)-1] }), "malformed frame"},
		{"counts no hop", "nat", 0, after(func(_ *model, _ *packet, f []byte) []byte { return hop(f, 1) }), "packet differs at byte"},
		{"counts a hop", "dsr", 0, after(func(_ *model, _ *packet, f []byte) []byte { return hop(f, -1) }), "packet differs at byte"},
		{"counts two hops", harness.ClassCeiling, 0, after(func(_ *model, _ *packet, f []byte) []byte { return hop(f, -1) }), "packet differs at byte"},
		{"loses everything", harness.ClassCeiling, 0, drop(all), "nothing came out"},
		{"wrong header checksum", "nat", 4, after(func(_ *model, _ *packet, f []byte) []byte { f[14+10] ^= 1; return f }), "packet differs at byte 10"},
		{"wrong outer header checksum", "ipip", 4, after(func(_ *model, _ *packet, f []byte) []byte { f[14+10] ^= 1; return f }), "wrong checksum of the outer header"},
		{"wrong transport checksum", "nat", 0, after(func(_ *model, in *packet, f []byte) []byte {
			f[len(f)-len(in.segment)+checksumAt(in.proto)] ^= 1
			return f
		}), "packet differs at byte"},
		{"wrong port", "nat", 0, after(func(_ *model, in *packet, f []byte) []byte {
			p, _ := parse(f)
			p.segment[3] ^= 1
			setTransportSum(p.from.Addr(), p.to.Addr(), p.proto, p.segment)
			return f
		}), "packet differs at byte"},
		{"no tunnel", "ipip", 0, after(func(m *model, in *packet, f []byte) []byte { return m.ether(f[:6], in.ip) }), "no packet in a tunnel"},
		{"a tunnel to the other end", "ipip", 0, after(func(m *model, in *packet, f []byte) []byte {
			b := m.flows[in.from]
			p, _ := parse(f)
			return m.ether(b.MAC, ip(p.from.Addr(), b.Addr.Addr().Next(), p.proto, 64, nil, in.ip))
		}), "outer destination"},
		{"a tunnel that ends at once", "ipip", 0, after(func(m *model, in *packet, f []byte) []byte {
			p, _ := parse(f)
			return m.ether(f[:6], ip(p.from.Addr(), p.to.Addr(), p.proto, 1, nil, in.ip))
		}), "outer time to live"},
		{"a tunnel of the other ethertype", "ipip", 0, after(func(_ *model, _ *packet, f []byte) []byte {
			kind := binary.BigEndian.Uint16(f[12:])
			binary.BigEndian.PutUint16(f[12:], kind^etherIPv4^etherIPv6)
			return f
		}), "ethertype"},
		{"counts a hop inside the tunnel", "ipip", 0, after(func(m *model, in *packet, f []byte) []byte {
			p, _ := parse(f)
			return m.ether(f[:6], ip(p.from.Addr(), p.to.Addr(), p.proto, 64, nil, routed(in.ip)))
		}), "inner packet differs"},
		{"loses answers", "nat", 0, broken{out: func(m *model, in *packet, f []byte) []byte {
			if in.to.Addr() == clientAddr(in.to.Addr().Is6()) {
				return nil
			}
			return f
		}}, "frame 0: answer to the SYN: nothing"},
		{"leaves the backend's address in answers", "nat", 0, broken{out: func(m *model, in *packet, f []byte) []byte {
			if in.to.Addr() == clientAddr(in.to.Addr().Is6()) {
				return m.ether(m.sc.client.MAC, routed(in.ip))
			}
			return f
		}}, "frame 0: answer to the SYN: it goes from"},
	}
}
