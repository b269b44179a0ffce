// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/kxlab/kxlab/bpf/abi"
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

// Constant fields of TCP segments. A SYN acknowledges nothing.
const (
	tcpSeq     = 0x4b584c41
	tcpAck     = 1
	tcpWindow  = 0xffff
	tcpOffData = 0x5010 // 20 bytes of header, ACK
	tcpOffSYN  = 0x5002
)

// Packets from one read of the clock to the next where the generator runs at full speed: a lap. Powers of two.
const (
	lapPackets      = 1024
	lapPacketsAlone = 64
)

// laps returns the times of the laps that the state holds, in their order.
func laps(s *abi.TrafficState) []time.Duration {
	var out []time.Duration
	n := s.Looks
	for i := max(n, abi.TrafficLaps) - abi.TrafficLaps + 1; i < n; i++ {
		out = append(out, time.Duration(s.Laps[i%abi.TrafficLaps]-s.Laps[(i-1)%abi.TrafficLaps]))
	}
	return out
}

// Template returns a frame with the constant fields set; those that vary from packet to packet are 0.
func (s Stream) Template() []byte {
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
		copy(ip[12:], flowSource(4, 0).Addr().AsSlice())
	} else {
		be.PutUint16(f[12:], 0x86dd)
		l4 = ip[ip6Len:]
		ip[0] = 0x60
		be.PutUint16(ip[4:], uint16(len(l4)))
		ip[6], ip[7] = byte(s.Proto), 64
		copy(ip[8:], flowSource(6, 0).Addr().AsSlice())
		copy(ip[24:36], s.VIP.Addr().AsSlice())
	}
	if s.Services <= 1 {
		vip := s.VIP.Addr().AsSlice()
		copy(f[s.l4()-4:], vip[len(vip)-4:])
	}
	be.PutUint16(l4[2:], s.VIP.Port())
	payload := l4[udpLen:]
	if s.Proto == harness.TCP {
		be.PutUint32(l4[4:], tcpSeq)
		be.PutUint32(l4[8:], tcpAck)
		be.PutUint16(l4[12:], tcpOffData)
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

// l4 is where the TCP or UDP header begins in a frame.
func (s Stream) l4() int {
	if s.Family == 4 {
		return ethLen + ip4Len
	}
	return ethLen + ip6Len
}

// wire translates the stream for the program, with everything that is constant computed.
func (s Stream) wire() abi.TrafficStream {
	be := binary.BigEndian
	f, p := s.Template(), s.plan()
	w := abi.TrafficStream{
		Services: uint32(max(s.Services, 1)), Flows: p.flows, First: p.first, Step: p.step, Fresh0: p.fresh0, Fresh1: p.fresh1,
		Rate: uint64(math.Round(s.Rate / 1e9 * (1 << 40))), SYN: uint64(math.Round(s.SYNShare * (1 << 32))),
		Family: uint8(s.Family), Proto: uint8(s.Proto), Fresh: uint8(boolean(s.Fresh)), Lap: lapPackets - 1,
	}
	if s.Alone {
		w.Lap = lapPacketsAlone - 1
	}
	head := make([]byte, 8*abi.TrafficWords)
	copy(head, f)
	for i := range w.Head {
		w.Head[i] = binary.NativeEndian.Uint64(head[8*i:])
	}
	vip := s.VIP.Addr().AsSlice()
	w.VIP = be.Uint32(vip[len(vip)-4:])
	ip, l4 := f[ethLen:s.l4()], f[s.l4():]
	addrs := ip[8:] // source and destination
	if s.Family == 4 {
		addrs = ip[12:]
		w.SumIP = partial(ip)
	}
	pseudo := be.AppendUint32(be.AppendUint32(nil, uint32(s.Proto)), uint32(len(l4)))
	w.SumData = partial(addrs, pseudo, l4)
	if s.Proto == harness.TCP {
		be.PutUint32(l4[8:], 0)
		be.PutUint16(l4[12:], tcpOffSYN)
		w.SumSYN = partial(addrs, pseudo, l4)
	}
	return w
}

// partial adds up 16-bit words in native byte order, as the internet checksum does, and folds the sum to 16 bits. Only the
// last part may have an odd length. Together the parts have at most 64 KiB.
func partial(parts ...[]byte) (sum uint32) {
	for _, b := range parts {
		for ; len(b) >= 2; b = b[2:] {
			sum += uint32(binary.NativeEndian.Uint16(b))
		}
		if len(b) > 0 {
			sum += uint32(binary.NativeEndian.Uint16([]byte{b[0], 0}))
		}
	}
	for sum > math.MaxUint16 {
		sum = sum&math.MaxUint16 + sum>>16
	}
	return sum
}
