// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// MaxFlows is how many flows a stream may let recur.
const MaxFlows = 1 << 20

// A Stream says which packets are sent, in which order and how fast. It is pure: nothing in it depends on the kernel.
//
// Recurring flows have the numbers FirstFlow to FirstFlow+Flows-1. They come in rounds in which each comes exactly once;
// where a round starts and in which strides it goes is drawn from Seed. New flows take the numbers after them, one after
// the other, and start again after maxFlow.
type Stream struct {
	Family int           // 4 or 6
	Proto  harness.Proto // TCP or UDP
	// VIP is the service that is hit; with Services above 1 the first of them. Flow f goes to service f modulo Services,
	// whose address is that many places after VIP; the port is the same for all.
	VIP      netip.AddrPort
	Services int // 0: 1
	Flows    int // 1 to MaxFlows
	// Size is the length of a frame in bytes, Ethernet header included, frame check sequence not: 64 to 1514. A frame of
	// 64 bytes holds an IP packet of 50. TCP over IPv6 does not fit into less than 74.
	Size int
	// SYNShare is the share of packets that are TCP SYNs, 0 to 1, drawn packet by packet from Seed. A SYN always opens
	// a new flow, all others are data (ACK set) of recurring ones, or of new ones if Fresh.
	SYNShare  float64
	Fresh     bool // every packet is of a new flow; Flows counts for nothing, numbers start at FirstFlow
	FirstFlow int
	Seed      uint64
	Rate      float64 // packets per second; 0: flat out
	// Alone keeps all other threads off the CPU while packets are sent (SCHED_FIFO), the process's own too: such a stream is
	// sent by Run, flat out, and not for long.
	Alone  bool
	SrcMAC net.HardwareAddr
	DstMAC net.HardwareAddr

	part, parts int // which part of the flows this is, of how many; see Split
}

// headers is the length of all headers of a frame, in bytes.
func (s Stream) headers() int {
	n := ethLen + ip4Len + udpLen
	if s.Family == 6 {
		n += ip6Len - ip4Len
	}
	if s.Proto == harness.TCP {
		n += tcpLen - udpLen
	}
	return n
}

// Check returns an error that says what is wrong with the stream.
func (s Stream) Check() error {
	bad := func(format string, args ...any) error { return fmt.Errorf("stream: "+format, args...) }
	family := 4
	if s.VIP.Addr().Is6() {
		family = 6
	}
	switch {
	case s.Family != 4 && s.Family != 6:
		return bad("family %d is neither 4 nor 6", s.Family)
	case s.Proto != harness.TCP && s.Proto != harness.UDP:
		return bad("protocol %d is neither TCP nor UDP", s.Proto)
	case !s.VIP.IsValid() || family != s.Family:
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
		return bad("rate of %v pkt/s, want 0 (flat out) to 1e8", s.Rate)
	case s.Alone && s.Rate > 0:
		return bad("rate of %v pkt/s alone on the CPU: nobody else could work between packets", s.Rate)
	case len(s.SrcMAC) != 6 || len(s.DstMAC) != 6:
		return errors.New("stream: no link addresses")
	}
	return nil
}

// split returns n streams with disjoint flows that together are s, each with its share of the rate, to be sent from n
// CPUs at the same time. With fewer recurring flows than n it returns an error.
func (s Stream) split(n int) ([]Stream, error) {
	if n < 1 || s.parts > 1 || (!s.Fresh && s.Flows < n) {
		return nil, fmt.Errorf("stream: cannot split %d flows into %d parts", s.Flows, n)
	}
	all := make([]Stream, n)
	for i := range all {
		all[i] = s
		all[i].part, all[i].parts = i, n
		all[i].Rate = s.Rate / float64(n)
	}
	return all, nil
}

// packets returns the numbers of the flows that the first n packets of the stream belong to if none is a SYN, in order.
// It is what the generator's program does, for tests and for finding the flows of a short run.
func (s Stream) packets(n int) []int {
	p := s.plan()
	f, all := p, make([]int, n)
	for i := range all {
		if s.Fresh {
			all[i] = int(f.fresh)
			if f.fresh++; f.fresh >= p.fresh1 {
				f.fresh = p.fresh0
			}
			continue
		}
		all[i] = int(p.first + f.next)
		if f.next += p.step; f.next >= p.flows {
			f.next -= p.flows
		}
	}
	return all
}

// plan is the order of flows as the program wants it.
type plan struct{ first, flows, step, next, fresh0, fresh1, fresh uint32 }

func (s Stream) plan() plan {
	part, parts := s.part, max(s.parts, 1)
	cut := func(from, n, i int) uint32 { return uint32(from + n*i/parts) }
	var p plan
	flows := max(s.Flows, 1)
	p.first = cut(s.FirstFlow, flows, part)
	p.flows = cut(s.FirstFlow, flows, part+1) - p.first
	from := s.FirstFlow
	if !s.Fresh {
		from += flows
	}
	p.fresh0, p.fresh1 = cut(from, maxFlow-from, part), cut(from, maxFlow-from, part+1)
	p.fresh = p.fresh0
	r := rand.New(rand.NewPCG(s.Seed, uint64(part)))
	if p.flows > 0 {
		p.next = r.Uint32N(p.flows)
		p.step = stride(r, p.flows)
	}
	return p
}

// stride draws a number below n that has no common factor with it, from the middle half of the range: neighbours in a
// round are never neighbours in number unless n leaves no choice.
func stride(r *rand.Rand, n uint32) uint32 {
	if n < 7 { // the middle half of 6 has nothing in it
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
