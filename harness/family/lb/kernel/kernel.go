// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/place"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// A kernel is the part that the kernel's own balancers share: a namespace that forwards, a netlink handle in it, and the
// services that were last set.
type kernel struct {
	at       harness.Site
	handle   *netlink.Handle // nil: closed
	pass     bpfobj.Place    // the pass program at the link
	services []service.Service
	index    map[service.Key]int // into services
	undo     []func() error      // run in reverse order
}

// newKernel turns on forwarding in the site's namespace and attaches the pass program to its link.
func newKernel(at harness.Site) (_ *kernel, err error) {
	k := &kernel{at: at, index: map[service.Key]int{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.close())
		}
	}()
	ns, err := netns.GetFromPath(at.NS)
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", at.NS, err)
	}
	defer ns.Close()
	if k.handle, err = netlink.NewHandleAt(ns, unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER); err != nil {
		return nil, fmt.Errorf("open netlink in %s: %w", at.NS, err)
	}
	k.undo = append(k.undo, func() error { k.handle.Close(); return nil })
	undo, err := place.Forward(at)
	k.undo = append(k.undo, undo)
	if err != nil {
		return nil, err
	}
	if k.pass, err = bpfobj.AttachPass(at); err != nil {
		return nil, err
	}
	k.undo = append(k.undo, k.pass.Close)
	return k, nil
}

// close undoes everything in reverse order. A second call does nothing.
func (k *kernel) close() error {
	var errs []error
	for _, undo := range slices.Backward(k.undo) {
		errs = append(errs, undo())
	}
	k.undo = nil
	return errors.Join(errs...)
}

// set checks and stores the services and returns the old ones.
func (k *kernel) set(services []service.Service) (old []service.Service, err error) {
	index := make(map[service.Key]int, len(services))
	for i := range services {
		s := &services[i]
		if err := checkTranslated(s); err != nil {
			return nil, err
		}
		key := s.Key()
		if _, twice := index[key]; twice {
			return nil, fmt.Errorf("check service %s: it is listed twice", key)
		}
		index[key] = i
	}
	old, k.services, k.index = k.services, slices.Clone(services), index
	return old, nil
}

// replace checks a service, stores it in place of the one with its address and returns the old one.
func (k *kernel) replace(s service.Service) (old service.Service, err error) {
	if err := checkTranslated(&s); err != nil {
		return old, err
	}
	key := s.Key()
	i, ok := k.index[key]
	if !ok {
		return old, fmt.Errorf("update service %s: no such service", key)
	}
	old, k.services[i] = k.services[i], s
	return old, nil
}

// checkTranslated checks a service and that its backends have its own IP family, as translation requires.
func checkTranslated(s *service.Service) error {
	if err := service.CheckService(s); err != nil {
		return err
	}
	for _, b := range s.Backends {
		if b.Addr.Addr().Is4() != s.VIP.Addr().Is4() {
			return fmt.Errorf("check service %s: backend %s is of the other IP family", s.Key(), b.Addr)
		}
	}
	return nil
}

// An ipFamily is an IP version. Each has its own tools, tables and routes.
type ipFamily int

const (
	ipv4 ipFamily = 4
	ipv6 ipFamily = 6
)

func familyOf(a netip.Addr) ipFamily {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}

// ofFamily returns the services of one family, in order.
func ofFamily(services []service.Service, f ipFamily) []service.Service {
	return slices.DeleteFunc(slices.Clone(services), func(s service.Service) bool { return familyOf(s.VIP.Addr()) != f })
}

// serving returns the backends that get new connections.
func serving(s *service.Service) []service.Backend {
	return slices.DeleteFunc(slices.Clone(s.Backends), func(b service.Backend) bool { return b.Weight <= 0 })
}

func protoName(p harness.Proto) string {
	if p == harness.UDP {
		return "udp"
	}
	return "tcp"
}

// A baseBalancer has the methods that are the same for all rules.
type baseBalancer struct{ *kernel }

// Flush forgets all connections of the namespace.
func (b baseBalancer) Flush(ctx context.Context) error { return b.flushConntrack() }

// MaxFlows returns the limit of connections in the namespace, 0 if it cannot be read.
func (b baseBalancer) MaxFlows() int { return b.conntrackMax() }

// Counters returns those of conntrack and of the IP stack in the namespace.
func (b baseBalancer) Counters() (map[string]uint64, error) { return b.stackCounters() }

// Methods returns the ways to put the kernel's own balancers in force.
func Methods() harness.Methods[service.Balancer] {
	iptables := func(backend string) harness.Method[service.Balancer] {
		return func(_ context.Context, v harness.Variant, at harness.Site) (service.Balancer, error) {
			return newIPTables(v, at, backend)
		}
	}
	ipvs := func(f ipvsForward) harness.Method[service.Balancer] {
		return func(_ context.Context, v harness.Variant, at harness.Site) (service.Balancer, error) {
			return newIPVS(v, at, f)
		}
	}
	return harness.Methods[service.Balancer]{
		"iptables": iptables("legacy"), "iptables-nft": iptables("nft"),
		"nftables": func(_ context.Context, v harness.Variant, at harness.Site) (service.Balancer, error) {
			return newNFTables(v, at)
		},
		"forward": func(_ context.Context, v harness.Variant, at harness.Site) (service.Balancer, error) {
			return newForward(v, at)
		},
		"ipvs-nat": ipvs(ipvsMasquerade), "ipvs-tun": ipvs(ipvsTunnel), "ipvs-dr": ipvs(ipvsDirect),
	}
}

// Settings returns the values of each setting, for each method with settings (harness.Variant.Settings).
func Settings() map[string]map[string][]string {
	s := map[string][]string{"scheduler": slices.Sorted(maps.Keys(ipvsSchedulers()))}
	return map[string]map[string][]string{"ipvs-nat": s, "ipvs-tun": s, "ipvs-dr": s, "nftables": {nftTransaction: {nftWhole}}}
}
