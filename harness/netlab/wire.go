// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// wires holds for every namespace of a chain. IPv6 is off, because its control packets would be traffic.
var wires = []setting{
	{path: "ipv4/conf/*/rp_filter", value: "0"},
	{path: "ipv4/conf/*/send_redirects", value: "0"},
	{path: "ipv6/conf/*/disable_ipv6", value: "1", optional: true},
}

// forwarders holds for the routers of a chain. They have no sockets, so early demultiplexing is off.
var forwarders = []setting{{path: "ipv4/ip_forward", value: "1"}, {path: "ipv4/ip_early_demux", value: "0", optional: true}}

// senders holds for both ends of a chain: the kernel caches no metrics of flows, windows may grow as far as any path here
// needs, and congestion control does not depend on the machine's default.
var senders = []setting{
	{path: "ipv4/tcp_no_metrics_save", value: "1"},
	{path: "ipv4/tcp_congestion_control", value: "cubic", optional: true},
	{path: "ipv4/tcp_rmem", value: "4096 131072 268435456"},
	{path: "ipv4/tcp_wmem", value: "4096 65536 268435456"},
	{path: "ipv4/tcp_ecn", value: "2"},
	{path: "ipv4/ip_local_port_range", value: "1024 65535"},
	{path: "core/somaxconn", value: "4096", optional: true},
}

// wire joins the hosts in a row and gives them addresses and routes.
func (c *Chain) wire() error {
	subnet := func(n byte) (first, second netip.Prefix) {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, n, 1}), 24), netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, n, 2}), 24)
	}
	for i := range 1 + chainFar {
		at1, atServer := subnet(10 + byte(i))
		_, index, err := join(c.Server, c.Router1, fmt.Sprintf("up%d", i), fmt.Sprintf("down%d", i), atServer, at1)
		if err != nil {
			return err
		}
		c.links.toServer = append(c.links.toServer, index)
		c.ServerAddrs = append(c.ServerAddrs, atServer.Addr())
	}
	at1, _ := subnet(10)
	from1, to2 := subnet(30)
	var err error
	if c.links.managed, _, err = join(c.Router1, c.Router2, "router2", "router1", from1, to2); err != nil {
		return err
	}
	from2, toClient := subnet(31)
	if c.links.toClient, _, err = join(c.Router2, c.Client, "client", "router2", from2, toClient); err != nil {
		return err
	}
	c.ClientAddr = toClient.Addr()
	anywhere := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	for _, r := range []struct {
		host *Host
		dst  netip.Prefix
		via  netip.Prefix
	}{
		{c.Server, anywhere, at1}, {c.Router1, anywhere, to2}, {c.Router2, anywhere, from1}, {c.Client, anywhere, from2},
	} {
		route := &netlink.Route{Gw: r.via.Addr().AsSlice(), Dst: ipNet(r.dst)}
		if err := r.host.handle.RouteAdd(route); err != nil {
			return fmt.Errorf("add route of %s: %w", r.host.Name, err)
		}
	}
	return nil
}

// join makes a link from a to b, without segmentation offloads, with both ends up and neighbours of one another. It returns
// the interface indices.
func join(a, b *Host, nameA, nameB string, addrA, addrB netip.Prefix) (ifA, ifB int, err error) {
	veth := newVeth(nameA, nameB, 1500, wireMAC(addrA.Addr()), wireMAC(addrB.Addr()), b.ns)
	if err := a.handle.LinkAdd(veth); err != nil {
		return 0, 0, fmt.Errorf("make link %s of %s: %w", nameA, a.Name, markUnsupported(err))
	}
	for _, end := range []struct {
		host        *Host
		name        string
		own, others netip.Prefix
		index       *int
	}{{a, nameA, addrA, addrB, &ifA}, {b, nameB, addrB, addrA, &ifB}} {
		l, err := end.host.handle.LinkByName(end.name)
		if err != nil {
			return 0, 0, fmt.Errorf("find link %s of %s: %w", end.name, end.host.Name, err)
		}
		*end.index = l.Attrs().Index
		if err := end.host.Do(func() error { return noSegmentation(end.name) }); err != nil {
			return 0, 0, err
		}
		if err := end.host.handle.AddrAdd(l, &netlink.Addr{IPNet: ipNet(end.own)}); err != nil {
			return 0, 0, fmt.Errorf("add address %s: %w", end.own, err)
		}
		if err := end.host.handle.LinkSetUp(l); err != nil {
			return 0, 0, fmt.Errorf("set link %s up: %w", end.name, err)
		}
		peer := end.others.Addr()
		if err := end.host.handle.NeighSet(neighbour(l.Attrs().Index, peer, wireMAC(peer))); err != nil {
			return 0, 0, fmt.Errorf("add neighbour: %w", err)
		}
	}
	return ifA, ifB, nil
}

// wireMAC is the link address that goes with an IPv4 address of a chain.
func wireMAC(a netip.Addr) net.HardwareAddr {
	b := a.As4()
	return net.HardwareAddr{0x02, 0x4b, 0x58, 0x10, b[2], b[3]}
}
