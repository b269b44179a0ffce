// SPDX-License-Identifier: Apache-2.0

package harness

import (
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
