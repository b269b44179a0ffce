// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// The lab's addresses are from the ranges reserved for benchmarking (RFC 2544, RFC 5180).
var (
	segment4 = netip.MustParsePrefix("198.18.0.0/16")
	segment6 = netip.MustParsePrefix("2001:2::/64")
	sources4 = netip.MustParsePrefix("198.19.0.0/17")
	sources6 = netip.MustParsePrefix("2001:2:0:1::/64")
	vips4    = netip.MustParsePrefix("198.19.128.0/17")
	vips6    = netip.MustParsePrefix("2001:2:0:2::/64")
)

// A Role is what a host does on the segment. It is the fourth byte of the host's MAC address.
type Role uint8

// The roles of hosts with a link.
const (
	RoleClient Role = iota
	RoleBalancer
	RoleReal
)

const (
	MaxReals     = 250   // what the address range of reals holds
	maxBalancers = 240   // what fits between the addresses of the client and of the reals
	MaxServices  = 30000 // what the VIP range holds
)

// MAC returns the link address of host i of a role: 02:4b:58, the role, the index in big endian.
func MAC(r Role, i int) net.HardwareAddr {
	return net.HardwareAddr{0x02, 0x4b, 0x58, byte(r), byte(i >> 8), byte(i)}
}

// portMAC is the link address of the fabric's end of a host's veth.
func portMAC(r Role, i int) net.HardwareAddr {
	m := MAC(r, i)
	m[3] |= 0x80
	return m
}

// Addresses returns the addresses of host i of a role, with the segment's prefix lengths.
func Addresses(r Role, i int) (v4, v6 netip.Prefix) {
	var a4 [4]byte
	var a6 [16]byte
	copy(a6[:], []byte{0x20, 0x01, 0, 2})
	switch r {
	case RoleClient:
		a4 = [4]byte{198, 18, 0, 1}
		a6[15] = 1
	case RoleBalancer:
		a4 = [4]byte{198, 18, 0, byte(10 + i)}
		binary.BigEndian.PutUint16(a6[14:], uint16(0x10+i))
	case RoleReal:
		a4 = [4]byte{198, 18, 1, byte(1 + i)}
		a6[13] = 1
		binary.BigEndian.PutUint16(a6[14:], uint16(1+i))
	}
	return netip.PrefixFrom(netip.AddrFrom4(a4), segment4.Bits()), netip.PrefixFrom(netip.AddrFrom16(a6), segment6.Bits())
}

// Family is the IP version of an address, 4 or 6.
func Family(a netip.Addr) int {
	if a.Is6() {
		return 6
	}
	return 4
}

// VIP returns the virtual address of service i of a family (4 or 6), 0 <= i < MaxServices.
func VIP(family, i int) netip.Addr {
	if family == 6 {
		return add(vips6.Addr(), i)
	}
	return add(vips4.Addr(), i)
}

// Source returns generated client address i of a family (4 or 6). IPv4 has 1<<15 of them, counted around.
func Source(family, i int) netip.Addr {
	if family == 6 {
		return add(sources6.Addr(), i)
	}
	return add(sources4.Addr(), i&(1<<15-1))
}

// add returns the address i places after a.
func add(a netip.Addr, i int) netip.Addr {
	if a.Is4() {
		b := a.As4()
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(i))
		return netip.AddrFrom4(b)
	}
	b := a.As16()
	binary.BigEndian.PutUint64(b[8:], binary.BigEndian.Uint64(b[8:])+uint64(i))
	return netip.AddrFrom16(b)
}

// ipNet converts p, host bits included, for package netlink.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// hostPrefix returns the prefix that contains only a.
func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
