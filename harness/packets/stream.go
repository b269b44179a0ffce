// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// MaxFlows is the largest number of recurring flows of a stream.
const MaxFlows = 1 << 20

// A Stream describes packets, their order and their rate. It is pure: nothing in it depends on the kernel.
//
// Recurring flows have the numbers FirstFlow to FirstFlow+Flows-1. They come in rounds in which each comes exactly once; the
// start of the rounds and their stride are drawn from Seed. New flows take the numbers after them in rising order, and start
// again after maxFlow.
type Stream struct {
	Family int           // 4 or 6
	Proto  harness.Proto // TCP or UDP
	// VIP is the service that packets go to; with Services above 1 the first of them. Flow f goes to service f modulo
	// Services, whose address is that many places after VIP; the port is the same for all.
	VIP      netip.AddrPort
	Services int // 0: 1
	Flows    int // 1 to MaxFlows
	// Size is the length of a frame in bytes, with the Ethernet header, without the frame check sequence: 64 to 1514. A frame
	// of 64 bytes holds an IP packet of 50. TCP over IPv6 needs at least 74.
	Size int
	// SYNShare is the share of packets that are TCP SYNs, 0 to 1, drawn packet by packet from Seed. A SYN always opens
	// a new flow, all others are data (ACK set) of recurring ones, or of new ones if Fresh.
	SYNShare  float64
	Fresh     bool // every packet is of a new flow; Flows is ignored, numbers start at FirstFlow
	FirstFlow int
	Seed      uint64
	Rate      float64 // packets per second; 0: full speed
	// Alone keeps all other threads off the CPU while packets are sent (SCHED_FIFO), those of this process too: such a stream
	// is sent by Run, at full speed and for a short time.
	Alone bool
	Marks bool // the laps of such a stream are marked (package mark)
	// Numbered numbers the packets of a run from 0, in a stamp behind the UDP header (bpf/include/swap.h): IPv4 and UDP, without a UDP
	// checksum, one flow, one service, at full speed.
	Numbered bool
	// CallPackets is the number of packets of one system call; 0: as many as possible. Where the kernel preempts lazily, a call is one RCU
	// reader from its begin to its end, and what waits for a grace period waits for that.
	CallPackets    int
	SrcMAC, DstMAC net.HardwareAddr
}

// headers is the length of all headers of a frame, in bytes.
func (s Stream) headers() int {
	if s.Proto == harness.TCP {
		return s.l4() + tcpLen
	}
	return s.l4() + udpLen
}

// Check returns an error that says what is wrong with the stream.
func (s Stream) Check() error {
	bad := func(format string, args ...any) error { return fmt.Errorf("stream: "+format, args...) }
	switch {
	case s.Family != 4 && s.Family != 6:
		return bad("family %d is neither 4 nor 6", s.Family)
	case s.Proto != harness.TCP && s.Proto != harness.UDP:
		return bad("protocol %d is neither TCP nor UDP", s.Proto)
	case !s.VIP.IsValid() || netlab.Family(s.VIP.Addr()) != s.Family:
		return bad("%v is not a service of IPv%d", s.VIP, s.Family)
	case s.Services < 0 || s.Services > netlab.MaxServices:
		return bad("%d services, want 0 to %d", s.Services, netlab.MaxServices)
	case !s.Fresh && (s.Flows < 1 || s.Flows > MaxFlows):
		return bad("%d flows, want 1 to %d", s.Flows, MaxFlows)
	case s.FirstFlow < 0 || s.FirstFlow+max(s.Flows, 1) >= maxFlow:
		return bad("first flow %d, want 0 to %d with room for %d flows", s.FirstFlow, maxFlow-1, s.Flows)
	case s.Size < max(64, s.headers()) || s.Size > 1514:
		return bad("frames of %d bytes, want %d to 1514", s.Size, max(64, s.headers()))
	case !(s.SYNShare >= 0 && s.SYNShare <= 1):
		return bad("SYN share %v, want 0 to 1", s.SYNShare)
	case s.SYNShare > 0 && s.Proto != harness.TCP:
		return bad("SYN share %v without TCP", s.SYNShare)
	case !(s.Rate >= 0 && s.Rate <= 1e8):
		return bad("rate of %v pkt/s, want 0 (full speed) to 1e8", s.Rate)
	case s.Alone && s.Rate > 0:
		return bad("rate of %v pkt/s alone on the CPU, want 0: no other thread could run between packets", s.Rate)
	case s.Numbered && (s.Family != 4 || s.Proto != harness.UDP || s.Services > 1 || s.Flows != 1 || s.FirstFlow != 0 || s.Fresh || s.Rate > 0 || s.Alone):
		return bad("numbered packets are UDP over IPv4, of flow 0 alone, to one service, at full speed")
	case s.Numbered && s.Size < abi.SwapAt+abi.SwapBytes:
		return bad("frames of %d bytes, want %d for a number", s.Size, abi.SwapAt+abi.SwapBytes)
	case s.CallPackets < 0:
		return bad("%d packets of a call, want 0 (as many as possible) or more", s.CallPackets)
	case len(s.SrcMAC) != 6 || len(s.DstMAC) != 6:
		return errors.New("stream: no link addresses")
	}
	return nil
}

// plan is the order of flows for the program: a round begins at flow first+next and continues in steps; new flows have the
// numbers from fresh0 to below fresh1.
type plan struct{ first, flows, step, next, fresh0, fresh1 uint32 }

func (s Stream) plan() plan {
	p := plan{first: uint32(s.FirstFlow), flows: uint32(max(s.Flows, 1)), fresh0: uint32(s.FirstFlow), fresh1: maxFlow}
	if !s.Fresh {
		p.fresh0 += p.flows
	}
	r := rand.New(rand.NewPCG(s.Seed, 0))
	p.next, p.step = r.Uint32N(p.flows), stride(r, p.flows)
	return p
}

// stride draws a number below n that has no common factor with n, from the middle half of the range: neighbours in a
// round are never neighbours in number unless n is too small.
func stride(r *rand.Rand, n uint32) uint32 {
	if n < 7 { // the middle half of 6 is empty
		return n - 1 + boolean(n == 1)
	}
	for {
		k := n/4 + r.Uint32N(n/2) + 1
		if gcd(k, n) == 1 {
			return k
		}
	}
}

func gcd(a, b uint32) uint32 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func boolean(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}
