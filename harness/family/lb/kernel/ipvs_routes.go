// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/harness/family/lb/place"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// Outer headers of tunnels, bytes.
const (
	outer4 = 20
	outer6 = 40
)

// configure sets the sysctls that the type's comment names, and restores them on close.
func (b *ipvs) configure() error {
	return b.setSysctls("ipv4/vs/", []place.Sysctl{
		{Path: "conntrack", Value: "0", Optional: true}, // missing if IPVS is built without conntrack
		{Path: "sloppy_tcp", Value: "1"},
		{Path: "conn_reuse_mode", Value: "1", Optional: true},
		{Path: "expire_nodest_conn", Value: "1"},
		{Path: "run_estimation", Value: "0", Optional: true}, // since 5.17
	})
}

// makeLocal makes the virtual addresses local and sets the routes to the backends.
func (b *ipvs) makeLocal(services []service.Service) error {
	for _, family := range [...]ipFamily{ipv4, ipv6} {
		of := ofFamily(services, family)
		want, old := service.Spanning(of), b.local[family]
		if want != old && want.IsValid() {
			if err := b.checkRoute(want); err != nil {
				return fmt.Errorf("make virtual addresses local: %w", err)
			}
			if err := b.handle.RouteReplace(place.LocalRoute(want)); err != nil {
				return fmt.Errorf("make %s local: %w", want, err)
			}
			b.local[family] = want
		}
		if want != old && old.IsValid() {
			if err := b.handle.RouteDel(place.LocalRoute(old)); err != nil {
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
	r := &netlink.Route{LinkIndex: b.at.Ifindex, Dst: place.Net(netip.PrefixFrom(a, a.BitLen())), MTU: b.at.ClientMTU + outer6}
	if a.Is4() {
		r.MTU, r.Scope = b.at.ClientMTU+outer4, netlink.SCOPE_LINK
	}
	return r
}

// unroute removes all routes.
func (b *ipvs) unroute() error {
	var errs []error
	for family, p := range b.local {
		errs = append(errs, b.handle.RouteDel(place.LocalRoute(p)))
		delete(b.local, family)
	}
	for a := range b.paths {
		errs = append(errs, b.handle.RouteDel(b.pathRoute(a)))
		delete(b.paths, a)
	}
	return errors.Join(errs...)
}
