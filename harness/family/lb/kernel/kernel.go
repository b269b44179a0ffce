// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// A kernel is what the kernel's own balancers have in common: a namespace that forwards, a handle into it, and the
// services as they were last set.
type kernel struct {
	at       harness.Site
	handle   *netlink.Handle
	stand    bpfobj.Place // the program at the link
	services []service.Service
	index    map[service.Key]int // into services
	undo     []func() error      // in the order of doing
}

// newKernel makes the namespace of the site forward packets out of the link they came in by, and has the program
// that passes everything stand at the link, as frames sent by XDP need one.
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
	if err := k.forwarding(); err != nil {
		return nil, err
	}
	if k.stand, err = bpfobj.AttachPass(at); err != nil {
		return nil, err
	}
	k.undo = append(k.undo, k.stand.Close)
	return k, nil
}

// close undoes everything in reverse order. It may be called again.
func (k *kernel) close() error {
	var errs []error
	for _, undo := range slices.Backward(k.undo) {
		errs = append(errs, undo())
	}
	k.undo = nil
	return errors.Join(errs...)
}

// set checks the services and makes them the known ones; it returns those from before.
func (k *kernel) set(services []service.Service) (old []service.Service, err error) {
	index := make(map[service.Key]int, len(services))
	for i := range services {
		s := &services[i]
		if err := checkTranslated(s); err != nil {
			return nil, err
		}
		key := s.Key()
		if _, twice := index[key]; twice {
			return nil, fmt.Errorf("check service %s: given twice", key)
		}
		index[key] = i
	}
	old, k.services, k.index = k.services, slices.Clone(services), index
	return old, nil
}

// replace checks the service and puts it in the place of the one with its address; it returns that one.
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

// checkTranslated checks a service whose packets are rewritten: that cannot lead from one IP family to the other.
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

// An ipFamily is the set of a service's addresses that one tool and one table serve.
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

// ofFamily selects the services of one family, in order.
func ofFamily(services []service.Service, f ipFamily) []service.Service {
	var out []service.Service
	for i := range services {
		if familyOf(services[i].VIP.Addr()) == f {
			out = append(out, services[i])
		}
	}
	return out
}

// serving returns the backends that get new connections.
func serving(s *service.Service) []service.Backend {
	out := make([]service.Backend, 0, len(s.Backends))
	for _, b := range s.Backends {
		if b.Weight > 0 {
			out = append(out, b)
		}
	}
	return out
}

func protoName(p harness.Proto) string {
	if p == harness.UDP {
		return "udp"
	}
	return "tcp"
}

// baseBalancer has the methods that need nothing of the rules.
type baseBalancer struct{ *kernel }

// Flush forgets all connections of the namespace.
func (b baseBalancer) Flush(ctx context.Context) error { return b.flushConntrack() }

// MaxFlows is how many connections the kernel tracks in the namespace; 0 if that cannot be read.
func (b baseBalancer) MaxFlows() int { return b.conntrackMax() }

// Counters are those of conntrack and of the IP stack in the namespace.
func (b baseBalancer) Counters() (map[string]uint64, error) { return b.stackCounters() }
