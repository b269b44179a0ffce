// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// A picture is what the lab gave a balancer: its link, addresses and routes, as lines, each with the network that it is about.
type picture map[string]netip.Prefix

// takePicture reads the namespace. Two pictures of an unchanged place are equal.
func takePicture(h *netlink.Handle, at harness.Site) (picture, error) {
	p := picture{}
	links, err := h.LinkList()
	if err != nil {
		return nil, fmt.Errorf("read links: %w", err)
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	i := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Index == at.Ifindex })
	if i < 0 {
		return nil, fmt.Errorf("its program removed the link %s from the namespace", at.Link)
	}
	a := links[i].Attrs()
	p[fmt.Sprintf("link %s: MAC %s, MTU %d, up %v", a.Name, a.HardwareAddr, a.MTU, a.Flags&net.FlagUp != 0)] = netip.Prefix{}
	names[at.Ifindex] = at.Link // also if the program renamed it
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		addrs, err := h.AddrList(nil, family)
		if err != nil {
			return nil, fmt.Errorf("read addresses: %w", err)
		}
		own := map[netip.Addr]int{}
		for _, a := range addrs {
			own[prefixOf(a.IPNet).Addr()] = a.LinkIndex
			p[fmt.Sprintf("address %s on link %s", a.IPNet, names[a.LinkIndex])] = prefixOf(a.IPNet)
		}
		routes, err := h.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return nil, fmt.Errorf("read routes: %w", err)
		}
		for _, r := range routes {
			if r.Type != unix.RTN_UNICAST && r.Type != unix.RTN_LOCAL { // the kernel's own, which come with addresses and with forwarding
				continue
			}
			if to := prefixOf(r.Dst); r.Type == unix.RTN_LOCAL && to.IsSingleIP() && own[to.Addr()] == r.LinkIndex { // comes with its address, late with IPv6
				continue
			}
			p[routeText(r, names[r.LinkIndex])] = prefixOf(r.Dst)
		}
	}
	return p, nil
}

// routeText is a route in the manner of ip route.
func routeText(r netlink.Route, link string) string {
	to := prefixOf(r.Dst)
	text := "route " + to.String()
	if !to.IsValid() || to.Bits() == 0 {
		text = "route default"
	}
	if r.Type == unix.RTN_LOCAL {
		text = "local " + text
	}
	if r.Gw != nil {
		text += " via " + r.Gw.String()
	}
	text += " on link " + link
	if r.Table != unix.RT_TABLE_MAIN && r.Table != unix.RT_TABLE_LOCAL {
		text += fmt.Sprintf(", table %d", r.Table)
	}
	if r.MTU != 0 {
		text += fmt.Sprintf(", MTU %d", r.MTU)
	}
	return text
}

// prefixOf is a network; the zero Prefix for none, as of a default route.
func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	a, _ := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits)
}

// changed returns what of the lab's is no longer there, or what was added that is about other addresses than those of services. Addresses
// by which the kernel speaks on one link alone are its own.
func (p picture) changed(now picture, services []service.Service) error {
	var lost, added []string
	for line := range p {
		if _, ok := now[line]; !ok {
			lost = append(lost, "lost: "+line)
		}
	}
	for line, about := range now {
		_, was := p[line]
		own := about.IsValid() && (about.Addr().IsLinkLocalUnicast() || about.Addr().IsMulticast())
		if !was && !own && !isService(about, services) {
			added = append(added, "added: "+line)
		}
	}
	if len(lost)+len(added) == 0 {
		return nil
	}
	linkFirst := func(a, b string) int { // the rest may be lost with it
		return cmp.Or(-cmp.Compare(strings.Count(a, ": link "), strings.Count(b, ": link ")), cmp.Compare(a, b))
	}
	slices.SortFunc(lost, linkFirst)
	slices.SortFunc(added, linkFirst)
	all := append(lost, added...)
	if more := len(all) - faultsShown; more > 0 {
		all = append(all[:faultsShown], fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("its program changed the place that the lab made: %s", strings.Join(all, "; "))
}

// faultsShown is how many changes an error names.
const faultsShown = 3

// isService reports whether a network is the address of a service.
func isService(p netip.Prefix, services []service.Service) bool {
	return slices.ContainsFunc(services, func(s service.Service) bool { return p.IsSingleIP() && p.Addr() == s.VIP.Addr() })
}
