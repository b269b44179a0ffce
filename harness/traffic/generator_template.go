// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"encoding/binary"
	"math"

	"github.com/kxlab/kxlab/harness"
)

// Lengths of headers in bytes.
const (
	ethLen = 14
	ip4Len = 20
	ip6Len = 40
	udpLen = 8
	tcpLen = 20
)

// What does not vary in TCP segments. A SYN acknowledges nothing.
const (
	tcpSeq     = 0x4b584c41
	tcpAck     = 1
	tcpWindow  = 0xffff
	tcpOffData = 0x5010 // 20 bytes of header, ACK
	tcpOffSYN  = 0x5002
)

// wireStream is struct traffic_stream of bpf/include/traffic.h.
type wireStream struct {
	Head            [4]uint64
	Dst6a           uint64
	Rate            uint64
	SYN             uint64
	Dst6b           uint32
	VIP             uint32
	Services        uint32
	Flows           uint32
	First           uint32
	Step            uint32
	Fresh0, Fresh1  uint32
	SumIP           uint32
	SumData, SumSYN uint32
	Seq, Ack        uint32
	Port, Len       uint16
	Family, Proto   uint8
	Fresh, _        uint8
	_               uint32
}

// wireState is struct traffic_state.
type wireState struct {
	Limit, Sent, SYNs, Span     uint64
	Begin, Stamp, Stamped       uint64
	Debt, Allow, Missed, Credit uint64
	Random                      uint64
	Next, Fresh                 uint32
}

// template returns a frame with everything in place that does not vary from packet to packet; what varies is 0.
func (s Stream) template() []byte {
	be := binary.BigEndian
	f := make([]byte, s.Size)
	copy(f[0:], s.DstMAC)
	copy(f[6:], s.SrcMAC)
	ip := f[ethLen:]
	var l4 []byte
	if s.Family == 4 {
		be.PutUint16(f[12:], 0x0800)
		l4 = ip[ip4Len:]
		ip[0] = 0x45
		be.PutUint16(ip[2:], uint16(len(ip)))
		be.PutUint16(ip[6:], 0x4000) // don't fragment
		ip[8], ip[9] = 64, byte(s.Proto)
		copy(ip[12:], FlowSource(4, 0).Addr().AsSlice())
	} else {
		be.PutUint16(f[12:], 0x86dd)
		l4 = ip[ip6Len:]
		ip[0] = 0x60
		be.PutUint16(ip[4:], uint16(len(l4)))
		ip[6], ip[7] = byte(s.Proto), 64
		copy(ip[8:], FlowSource(6, 0).Addr().AsSlice())
		copy(ip[24:36], s.VIP.Addr().AsSlice())
	}
	be.PutUint16(l4[2:], s.VIP.Port())
	payload := l4[udpLen:]
	if s.Proto == harness.TCP {
		be.PutUint32(l4[4:], tcpSeq)
		be.PutUint16(l4[14:], tcpWindow)
		payload = l4[tcpLen:]
	} else {
		be.PutUint16(l4[4:], uint16(len(l4)))
	}
	for i := range payload {
		payload[i] = byte(i)
	}
	return f
}

// wire translates the stream for the program: everything is made ready that does not vary.
func (s Stream) wire() wireStream {
	ne, be := binary.NativeEndian, binary.BigEndian
	f, p := s.template(), s.plan()
	w := wireStream{
		Services: uint32(max(s.Services, 1)), Flows: p.flows, First: p.first, Step: p.step, Fresh0: p.fresh0, Fresh1: p.fresh1,
		Rate: uint64(math.Round(s.Rate / 1e9 * (1 << 40))), SYN: uint64(math.Round(s.SYNShare * (1 << 32))),
		Family: uint8(s.Family), Proto: uint8(s.Proto), Fresh: uint8(boolean(s.Fresh)),
	}
	for i := range w.Head {
		w.Head[i] = ne.Uint64(f[8*i:])
	}
	vip := s.VIP.Addr().AsSlice()
	w.VIP = be.Uint32(vip[len(vip)-4:])
	l4 := f[ethLen+ip4Len:]
	pseudo := f[ethLen+12 : ethLen+20]
	if s.Family == 6 {
		w.Dst6a, w.Dst6b = ne.Uint64(vip), ne.Uint32(vip[8:])
		l4 = f[ethLen+ip6Len:]
		pseudo = f[ethLen+8 : ethLen+40]
	} else {
		w.SumIP = partial(f[ethLen : ethLen+ip4Len])
	}
	w.Port = ne.Uint16(l4[2:])
	sum := partial(pseudo) + partial(l4) + uint32(s.Proto) + uint32(len(l4))
	w.SumData = sum
	if s.Proto == harness.TCP {
		w.SumData, w.SumSYN = sum+tcpAck+tcpOffData, sum+tcpOffSYN
		w.Seq = ne.Uint32(l4[4:])
		w.Ack = ne.Uint32(be.AppendUint32(nil, tcpAck))
	} else {
		w.Len = ne.Uint16(l4[4:])
	}
	return w
}

// partial adds up b in 16-bit words as the internet checksum does, without folding. Good for up to 64 KiB.
func partial(b []byte) (sum uint32) {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) > 0 {
		sum += uint32(b[0]) << 8
	}
	return sum
}
