// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// A forwarder routes and balances nothing: the ceiling of what goes through the kernel's stack. All virtual addresses
// of an IP family go to the first backend of its first service, by one route, whatever their number: looking up a
// service is the work that the ceiling is without. There is no rule, and so no conntrack.
type forwarder struct {
	baseBalancer
	routes []netlink.Route
}

func newForward(v harness.Variant, at harness.Site) (service.Balancer, error) {
	k, err := newKernel(at)
	if err != nil {
		return nil, err
	}
	return &forwarder{baseBalancer: baseBalancer{k}}, nil
}

// Sync routes all virtual addresses to the first backend.
func (f *forwarder) Sync(ctx context.Context, services []service.Service) error {
	if _, err := f.set(services); err != nil {
		return err
	}
	return f.route(ctx)
}

// Update does what Sync does: the way may have changed.
func (f *forwarder) Update(ctx context.Context, s service.Service) error {
	if _, err := f.replace(s); err != nil {
		return err
	}
	return f.route(ctx)
}

// route makes the routes those that the services need. A route that stays is never away in between.
func (f *forwarder) route(ctx context.Context) error {
	var want []netlink.Route
	for _, family := range [...]ipFamily{ipv4, ipv6} {
		to, via, ok := forwardRoute(ofFamily(f.services, family))
		if !ok {
			continue
		}
		for _, own := range [...]netip.Addr{f.at.Addr4.Addr(), f.at.Addr6.Addr(), via} {
			if to.Contains(own) {
				return fmt.Errorf("route services: no one route for all holds %s but not %s", to, own)
			}
		}
		want = append(want, netlink.Route{
			LinkIndex: f.at.Ifindex, Gw: via.AsSlice(),
			Dst: &net.IPNet{IP: to.Addr().AsSlice(), Mask: net.CIDRMask(to.Bits(), to.Addr().BitLen())},
		})
	}
	old := f.routes
	for i := range want {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("route services: %w", err)
		}
		if err := f.handle.RouteReplace(&want[i]); err != nil {
			return fmt.Errorf("route %s by %s: %w", want[i].Dst, want[i].Gw, err)
		}
	}
	f.routes = want
	return f.remove(slices.DeleteFunc(slices.Clone(old), func(r netlink.Route) bool {
		return slices.ContainsFunc(want, func(w netlink.Route) bool { return w.Dst.String() == r.Dst.String() })
	}))
}

func (f *forwarder) remove(routes []netlink.Route) error {
	var errs []error
	for i := range routes {
		if err := f.handle.RouteDel(&routes[i]); err != nil {
			errs = append(errs, fmt.Errorf("remove route %s: %w", routes[i].Dst, err))
		}
	}
	return errors.Join(errs...)
}

// forwardRoute returns the smallest network that holds all virtual addresses and the first backend, if there is one.
func forwardRoute(services []service.Service) (to netip.Prefix, via netip.Addr, ok bool) {
	for i := range services {
		if backends := serving(&services[i]); !ok && len(backends) > 0 {
			via, ok = backends[0].Addr.Addr(), true
		}
	}
	return spanning(services), via, ok
}

// spanning returns the smallest network that holds all virtual addresses, which are of one IP family; the zero Prefix
// if there are none.
func spanning(services []service.Service) (to netip.Prefix) {
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

// InForce returns an error if a route is not what the kernel takes, or nothing is forwarded.
func (f *forwarder) InForce() error {
	for _, r := range f.routes {
		taken, err := f.handle.RouteGet(r.Dst.IP)
		if err != nil {
			return fmt.Errorf("check route %s: %w", r.Dst, err)
		}
		if len(taken) != 1 || !taken[0].Gw.Equal(r.Gw) {
			return fmt.Errorf("check route %s: it no longer goes by %s", r.Dst, r.Gw)
		}
	}
	return f.forwards()
}

// MaxFlows is 0: nothing is tracked.
func (f *forwarder) MaxFlows() int { return 0 }

// Flush has nothing to forget.
func (f *forwarder) Flush(ctx context.Context) error { return nil }

// Close takes the routes away.
func (f *forwarder) Close() error {
	if f.handle == nil {
		return nil
	}
	err := errors.Join(f.remove(f.routes), f.kernel.close())
	f.routes, f.handle = nil, nil
	return err
}
