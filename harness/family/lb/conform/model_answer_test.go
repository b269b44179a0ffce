// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// about sends an ICMP error to the backend of the flow that it quotes.
func (m *model) about(in *packet) []byte {
	q := in.quoted()
	if q == nil {
		return nil
	}
	b, ok := m.flows[q.to]
	switch {
	case !ok:
		return nil
	case m.class != "nat":
		return m.translate(in, b)
	}
	quote := bytes.Clone(q.ip)
	setSource(quote, b.Addr)
	binary.BigEndian.PutUint16(quote[len(quote)-len(q.segment):], b.Addr.Port())
	return m.ether(b.MAC, routed(tooBig(in.from.Addr(), b.Addr.Addr(), 1400, quote)))
}

// back translates a backend's answer.
func (m *model) back(in *packet) []byte {
	out := routed(in.ip)
	setSource(out, m.service.VIP)
	segment := out[len(out)-len(in.segment):]
	binary.BigEndian.PutUint16(segment, m.service.VIP.Port())
	setTransportSum(m.service.VIP.Addr(), in.to.Addr(), in.proto, segment)
	return m.ether(m.sc.client.MAC, out)
}

func setSource(b []byte, from netip.AddrPort) {
	if b[0]>>4 == 6 {
		copy(b[8:24], from.Addr().AsSlice())
		return
	}
	copy(b[12:16], from.Addr().AsSlice())
	setHeaderSum(b)
}

func (m *model) echo(in *packet) []byte {
	kind := byte(0)
	if in.to.Addr().Is6() {
		kind = 129
	}
	proto, message := icmp(in.to.Addr(), in.from.Addr(), kind, 0, binary.BigEndian.Uint32(in.segment[4:]), in.segment[8:])
	return m.ether(in.src, ip(in.to.Addr(), in.from.Addr(), proto, 64, nil, message))
}

func (m *model) arp(frame []byte) []byte {
	b := append([]byte{0, 1, 8, 0, 6, 4, 0, 2}, m.sc.balancer.MAC...)
	b = append(b, hostAddr(m.sc.balancer, false).AsSlice()...)
	b = append(b, frame[22:32]...)
	return ether(frame[6:12], m.sc.balancer.MAC, etherARP, b)
}
