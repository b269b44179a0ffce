// SPDX-License-Identifier: Apache-2.0

// Package service has the types of load balancing: services, backends, and the balancer that distributes the connections
// of services to backends. It does not touch the kernel.
package service

import (
	"context"
	"net"
	"net/netip"

	"github.com/kxlab/kxlab/harness"
)

// ClassProxy is the class of balancers that end connections: they take a client's connection and make another one to a backend.
const ClassProxy = "proxy"

// A Service is one virtual address with its backends.
type Service struct {
	VIP      netip.AddrPort
	Proto    harness.Proto
	Backends []Backend
	// Spare are backends that may be added next (the horizon of JET, CoNEXT 2020). Only variants that track
	// just enough connections use it.
	Spare []Backend
}

// A Key identifies a service.
type Key struct {
	VIP   netip.AddrPort
	Proto harness.Proto
}

// Key returns the service's key.
func (s *Service) Key() Key { return Key{VIP: s.VIP, Proto: s.Proto} }

func (k Key) String() string {
	if k.Proto == harness.UDP {
		return "udp " + k.VIP.String()
	}
	return "tcp " + k.VIP.String()
}

// A Backend is one real server of a service.
type Backend struct {
	// Addr is the real's address and port. In the classes ipip and dsr the port is the service's.
	Addr netip.AddrPort
	// MAC is the real's address on the segment that it shares with the balancer.
	MAC net.HardwareAddr
	// Weight is its share of new connections; 0 drains it: it keeps its connections and gets no new ones.
	Weight int
}

// A Balancer is a load balancer in force. It is not safe for concurrent use.
type Balancer interface {
	harness.Extension
	// Sync sets exactly the services. Connections to backends that stay are kept.
	Sync(ctx context.Context, services []Service) error
	// Update replaces the service with the same VIP and Proto and no other.
	Update(ctx context.Context, s Service) error
	// Flush forgets all connections (flow tables, conntrack).
	Flush(ctx context.Context) error
	// MaxFlows is the limit of tracked connections; 0: it tracks none.
	MaxFlows() int
}

// Peculiarities are sound deviations from the packet handling of the class. The correctness gate requires each one that
// is set and allows no others.
type Peculiarities struct {
	// Routes: the time to live is also decremented in packets that are tunnelled or forwarded unchanged.
	Routes bool
	// FillsChecksum: UDP over IPv4 without a checksum, which is allowed, gets the right one.
	FillsChecksum bool
	// LeaksInvalid: packets that conntrack marks as invalid, such as a segment far outside the window, go to the client
	// untranslated, with the real's address. The client answers with a reset, which can end the connection.
	LeaksInvalid bool
}

// A Peculiar is a Balancer with peculiarities.
type Peculiar interface {
	Peculiarities() Peculiarities
}

// Spanning returns the smallest network of all virtual addresses, which are of one IP family; the zero Prefix for none.
func Spanning(services []Service) (to netip.Prefix) {
	for i := range services {
		a := services[i].VIP.Addr()
		if !to.IsValid() {
			to = netip.PrefixFrom(a, a.BitLen())
		}
		for !to.Contains(a) {
			to = netip.PrefixFrom(to.Addr(), to.Bits()-1).Masked()
		}
	}
	return to
}
