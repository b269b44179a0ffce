// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/place"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// A forwarder routes without balancing: the ceiling of variants in the kernel's stack. One route for each IP family
// leads all virtual addresses to the first backend of the first service, so the ceiling has no lookup of a service.
// There are no rules and therefore no conntrack.
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

// Update sets all routes, since the first backend may have changed.
func (f *forwarder) Update(ctx context.Context, s service.Service) error {
	if _, err := f.replace(s); err != nil {
		return err
	}
	return f.route(ctx)
}

// route sets the routes that the services need. Routes that stay are not removed in between.
func (f *forwarder) route(ctx context.Context) error {
	var want []netlink.Route
	for _, family := range [...]ipFamily{ipv4, ipv6} {
		to, via, ok := forwardRoute(ofFamily(f.services, family))
		if !ok {
			continue
		}
		if err := f.checkRoute(to, via); err != nil {
			return fmt.Errorf("route services: %w", err)
		}
		want = append(want, netlink.Route{LinkIndex: f.at.Ifindex, Gw: via.AsSlice(), Dst: place.Net(to)})
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

// checkRoute returns an error if a route for all virtual addresses would include the balancer's own or another address.
func (k *kernel) checkRoute(to netip.Prefix, others ...netip.Addr) error {
	for _, a := range append(others, k.at.Addr4.Addr(), k.at.Addr6.Addr()) {
		if to.Contains(a) {
			return fmt.Errorf("one route for all virtual addresses (%s) would include %s", to, a)
		}
	}
	return nil
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
	return service.Spanning(services), via, ok
}

// InForce returns an error if the kernel no longer uses the routes or does not forward.
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

// Flush does nothing: no connections are tracked.
func (f *forwarder) Flush(ctx context.Context) error { return nil }

// Close removes the routes.
func (f *forwarder) Close() error {
	if f.handle == nil {
		return nil
	}
	err := errors.Join(f.remove(f.routes), f.kernel.close())
	f.routes, f.handle = nil, nil
	return err
}
