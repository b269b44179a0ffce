// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// Outer headers of tunnels, bytes.
const (
	outer4 = 20
	outer6 = 40
)

// configure sets the sysctls that the type's comment names, and restores them on close.
func (b *ipvs) configure() error {
	return b.setSysctls("ipv4/vs/", []sysctl{
		{"conntrack", "0", true}, // missing if IPVS is built without conntrack
		{"sloppy_tcp", "1", false},
		{"conn_reuse_mode", "1", true},
		{"expire_nodest_conn", "1", false},
		{"run_estimation", "0", true}, // since 5.17
	})
}

// makeLocal makes the virtual addresses local and sets the routes to the backends.
func (b *ipvs) makeLocal(services []service.Service) error {
	for _, family := range [...]ipFamily{ipv4, ipv6} {
		of := ofFamily(services, family)
		want, old := spanning(of), b.local[family]
		if want != old && want.IsValid() {
			if err := b.checkRoute(want); err != nil {
				return fmt.Errorf("make virtual addresses local: %w", err)
			}
			if err := b.handle.RouteReplace(localRoute(want)); err != nil {
				return fmt.Errorf("make %s local: %w", want, err)
			}
			b.local[family] = want
		}
		if want != old && old.IsValid() {
			if err := b.handle.RouteDel(localRoute(old)); err != nil {
				return fmt.Errorf("remove local route %s: %w", old, err)
			}
			if !want.IsValid() {
				delete(b.local, family)
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

// localRoute returns the route that makes all addresses of a network local, without an address on a link.
func localRoute(to netip.Prefix) *netlink.Route {
	const lo = 1 // in every namespace
	return &netlink.Route{LinkIndex: lo, Dst: prefixNet(to), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST}
}

// pathTo sets routes to backends of tunnels with an MTU for the clients' largest packets. IPVS reports to senders of
// larger packets this MTU less the outer header.
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

// unroute removes all routes.
func (b *ipvs) unroute() error {
	var errs []error
	for family, p := range b.local {
		errs = append(errs, b.handle.RouteDel(localRoute(p)))
		delete(b.local, family)
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
