// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
)

// Outer headers of tunnels, bytes.
const (
	outer4 = 20
	outer6 = 40
)

// configure sets what the type's comment says. The namespace's settings of IPVS go with the namespace; what was set
// before comes back on close all the same.
func (b *ipvs) configure() error {
	return sys.InNS(b.at.NS, func() error {
		for _, s := range [...]struct {
			name, value string
			optional    bool
		}{
			{"conntrack", "0", true}, // not there: no conntrack in IPVS either
			{"sloppy_tcp", "1", false},
			{"conn_reuse_mode", "1", true},
			{"expire_nodest_conn", "1", false},
			{"run_estimation", "0", true}, // since 5.17
		} {
			old, err := setSysctl("ipv4/vs/"+s.name, s.value)
			if s.optional && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			if old != s.value {
				b.undo = append(b.undo, func() error {
					return sys.InNS(b.at.NS, func() error { _, err := setSysctl("ipv4/vs/"+s.name, old); return err })
				})
			}
		}
		return nil
	})
}

// own makes the virtual addresses local, and prepares the ways to the backends.
func (b *ipvs) own(services []service.Service) error {
	for _, family := range [...]ipFamily{ipv4, ipv6} {
		of := ofFamily(services, family)
		want, old := spanning(of), b.owned[family]
		if want != old && want.IsValid() {
			for _, own := range [...]netip.Addr{b.at.Addr4.Addr(), b.at.Addr6.Addr()} {
				if want.Contains(own) {
					return fmt.Errorf("own virtual addresses: no one local route for all holds %s but not %s", want, own)
				}
			}
			if err := b.handle.RouteReplace(localRoute(want)); err != nil {
				return fmt.Errorf("own %s: %w", want, err)
			}
			b.owned[family] = want
		}
		if want != old && old.IsValid() {
			if err := b.handle.RouteDel(localRoute(old)); err != nil {
				return fmt.Errorf("disown %s: %w", old, err)
			}
			if !want.IsValid() {
				delete(b.owned, family)
			}
		}
		for i := range of {
			if err := b.pathTo(of[i].Backends); err != nil {
				return err
			}
		}
	}
	return nil
}

// localRoute makes all addresses of a network local: what is for them comes in, without an address on any link.
func localRoute(to netip.Prefix) *netlink.Route {
	const lo = 1 // in every namespace
	return &netlink.Route{LinkIndex: lo, Dst: prefixNet(to), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST}
}

// pathTo gives tunnels to backends an MTU with which clients' largest packets, and no larger ones, fit in: IPVS tells
// senders of larger ones what is left of the path after the outer header.
func (b *ipvs) pathTo(backends []service.Backend) error {
	if b.forward != ipvsTunnel {
		return nil
	}
	for _, d := range backends {
		a := d.Addr.Addr()
		if b.paths[a] {
			continue
		}
		if err := b.handle.RouteReplace(b.pathRoute(a)); err != nil {
			return fmt.Errorf("route to backend %s: %w", a, err)
		}
		b.paths[a] = true
	}
	return nil
}

func (b *ipvs) pathRoute(a netip.Addr) *netlink.Route {
	r := &netlink.Route{LinkIndex: b.at.Ifindex, Dst: prefixNet(netip.PrefixFrom(a, a.BitLen())), MTU: b.at.ClientMTU + outer6}
	if a.Is4() {
		r.MTU, r.Scope = b.at.ClientMTU+outer4, netlink.SCOPE_LINK
	}
	return r
}

// unroute takes all routes away.
func (b *ipvs) unroute() error {
	var errs []error
	for family, p := range b.owned {
		errs = append(errs, b.handle.RouteDel(localRoute(p)))
		delete(b.owned, family)
	}
	for a := range b.paths {
		errs = append(errs, b.handle.RouteDel(b.pathRoute(a)))
		delete(b.paths, a)
	}
	return errors.Join(errs...)
}

func prefixNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
