// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"net"
	"net/netip"
)

// Proto is a transport protocol by its IP number.
type Proto uint8

// The transport protocols that are balanced.
const (
	TCP Proto = 6
	UDP Proto = 17
)

// A Service is one virtual address with the backends it is spread over.
type Service struct {
	VIP      netip.AddrPort
	Proto    Proto
	Backends []Backend
	// Spare are backends that may be added next (the horizon of JET, CoNEXT 2020). Only variants that track
	// just enough connections use it.
	Spare []Backend
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

// A Site is the place where a variant is put in force: a balancer with one link on a segment, which it shares with
// the clients and the reals, so that packets come in and leave by the same link.
type Site struct {
	NS      string // path of the network namespace
	Link    string // name of the link inside it
	Ifindex int
	MAC     net.HardwareAddr
	Addr4   netip.Prefix // the balancer's own addresses
	Addr6   netip.Prefix
	MTU     int // of the link, bytes; what reals and clients agreed on is ClientMTU
	// ClientMTU is the largest IP packet that clients and reals exchange, bytes. Encapsulation comes on top.
	ClientMTU int
	// Cgroup is the path of the cgroup v2 in which the clients run (class socket).
	Cgroup string
	Seed   uint64
}

// A Balancer is a load balancer in force. It is not safe for concurrent use.
type Balancer interface {
	Extension
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
}

// A Peculiar is a Balancer that has any.
type Peculiar interface {
	Peculiarities() Peculiarities
}
