// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// selection holds the arguments of the last Select.
type selection struct {
	balancer  *Host
	returnVia bool
}

// address adds a host's addresses and the routes that never change. The routes of clients and reals have the client MTU; the
// MTU of the link is larger, for outer headers.
func (s *Segment) address(h *Host) error {
	mtu := s.opts.ClientMTU
	if h.Role == RoleBalancer {
		mtu = 0 // the link's, because the balancer may add an outer header
	}
	for _, p := range []struct{ addr, segment, sources, vips netip.Prefix }{
		{h.Addr4, segment4, sources4, vips4}, {h.Addr6, segment6, sources6, vips6},
	} {
		// The kernel makes no prefix route, because ours has the MTU.
		addr := &netlink.Addr{IPNet: ipNet(p.addr), Flags: unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_NODAD}
		if err := h.handle.AddrAdd(h.link(), addr); err != nil {
			return fmt.Errorf("add address %s: %w", p.addr, err)
		}
		if err := h.route(p.segment, netip.Addr{}, mtu); err != nil {
			return err
		}
		var err error
		switch h.Role {
		case RoleClient:
			err = h.own(p.sources)
		case RoleReal:
			err = errors.Join(h.own(p.vips), h.route(p.sources, clientAddr(p.addr), mtu))
		case RoleBalancer:
			err = h.route(p.sources, clientAddr(p.addr), mtu)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// clientAddr is the client's address of the same family as p.
func clientAddr(p netip.Prefix) netip.Addr {
	v4, v6 := Addresses(RoleClient, 0)
	if p.Addr().Is4() {
		return v4.Addr()
	}
	return v6.Addr()
}

func (h *Host) link() netlink.Link {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: h.Link, Index: h.Ifindex}}
}

// route makes or replaces a route over eth0; an invalid via means that dst is on the link; mtu 0 is the link's.
func (h *Host) route(dst netip.Prefix, via netip.Addr, mtu int) error {
	r := &netlink.Route{LinkIndex: h.Ifindex, Dst: ipNet(dst), MTU: mtu}
	if via.IsValid() {
		r.Gw = via.AsSlice()
	} else if dst.Addr().Is4() {
		r.Scope = netlink.SCOPE_LINK
	}
	if mtu > 0 {
		r.AdvMSS = mtu - 40 // IPv4 and TCP header
		if dst.Addr().Is6() {
			r.AdvMSS = mtu - 60
		}
	}
	return harness.Wrap(h.handle.RouteReplace(r), "route %s", dst)
}

// unroute removes a route, if there is one.
func (h *Host) unroute(dst netip.Prefix) error {
	err := h.handle.RouteDel(&netlink.Route{LinkIndex: h.Ifindex, Dst: ipNet(dst)})
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return harness.Wrap(err, "remove route %s", dst)
}

// own makes every address of a range local to the host, without adding them to a link.
func (h *Host) own(range_ netip.Prefix) error {
	lo, err := h.handle.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	r := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: ipNet(range_), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL,
		Scope: netlink.SCOPE_HOST}
	return harness.Wrap(h.handle.RouteReplace(r), "own %s", range_)
}

// Select routes the client's packets to all VIPs to balancer b. With returnVia it also routes the reals' packets to the
// client and to all generated sources to b (class nat); without, these go to the client directly.
func (s *Segment) Select(b *Host, returnVia bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := selection{b, returnVia}
	if s.selected == want {
		return nil
	}
	before := s.selected
	s.selected = selection{} // unknown, should this fail half way
	mtu := s.opts.ClientMTU
	if err := errors.Join(s.Client.route(vips4, b.Addr4.Addr(), mtu), s.Client.route(vips6, b.Addr6.Addr(), mtu)); err != nil {
		return fmt.Errorf("select %s: %w", b.Name, err)
	}
	if !returnVia && before.balancer != nil && !before.returnVia {
		s.selected = want // the reals' routes are direct already
		return nil
	}
	for _, r := range s.Reals {
		if err := r.routeBack(s.Client, b, returnVia, mtu); err != nil {
			return fmt.Errorf("select %s: %w", b.Name, err)
		}
	}
	s.selected = want
	return nil
}

// routeBack sets the routes of a real to the client.
func (h *Host) routeBack(client, b *Host, returnVia bool, mtu int) error {
	for _, f := range []struct{ client, balancer, sources netip.Prefix }{
		{client.Addr4, b.Addr4, sources4}, {client.Addr6, b.Addr6, sources6},
	} {
		var err error
		if returnVia {
			err = errors.Join(h.route(hostPrefix(f.client.Addr()), f.balancer.Addr(), mtu), h.route(f.sources, f.balancer.Addr(), mtu))
		} else {
			err = errors.Join(h.unroute(hostPrefix(f.client.Addr())), h.route(f.sources, f.client.Addr(), mtu))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
