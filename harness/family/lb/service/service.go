// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"net"
	"net/netip"

	"github.com/kxlab/kxlab/harness"
)

// A Service is one virtual address with the backends it is spread over.
type Service struct {
	VIP      netip.AddrPort
	Proto    harness.Proto
	Backends []Backend
	// Spare are backends that may be added next (the horizon of JET, CoNEXT 2020). Only variants that track
	// just enough connections use it.
	Spare []Backend
}

// A ServiceKey is what tells services apart.
type Key struct {
	VIP   netip.AddrPort
	Proto harness.Proto
}

// Key is the service's key.
func (s *Service) Key() Key { return Key{VIP: s.VIP, Proto: s.Proto} }

func (k Key) String() string {
	if k.Proto == harness.UDP {
		return "udp " + k.VIP.String()
	}
	return "tcp " + k.VIP.String()
}

// A Backend is one real server of a service.
type Backend struct {
	// Addr is where the real listens. In the classes ipip and dsr its port is the service's.
	Addr netip.AddrPort
	// MAC is the real's address on the segment that it shares with the balancer.
	MAC net.HardwareAddr
	// Weight is its share of new connections; 0 drains it: it keeps what it has and gets nothing new.
	Weight int
}

// A Balancer is a load balancer in force. It is not safe for concurrent use.
type Balancer interface {
	harness.Extension
	// Sync makes the set of services exactly the given one. Connections to backends that stay are kept.
	Sync(ctx context.Context, services []Service) error
	// Update replaces the service with the same VIP and Proto, leaving all others alone.
	Update(ctx context.Context, s Service) error
	// Flush forgets all connections (flow tables, conntrack).
	Flush(ctx context.Context) error
	// MaxFlows is how many connections it can track at once; 0: it tracks none.
	MaxFlows() int
}

// Peculiarities are sound ways of treating packets that are not the class's. The correctness gate expects each of those
// named, and none else.
type Peculiarities struct {
	// Routes: one is taken from the time to live also of packets that are tunnelled or passed on as they are.
	Routes bool
	// FillsChecksum: UDP over IPv4 that comes without a checksum, which is allowed, leaves with the right one.
	FillsChecksum bool
	// LeaksInvalid: what connection tracking finds invalid, such as a segment far outside the window, is not translated
	// and goes on to the client with the real's address. The client answers with a reset, which can end the connection.
	LeaksInvalid bool
}

// A Peculiar is a Balancer that has any.
type Peculiar interface {
	Peculiarities() Peculiarities
}
