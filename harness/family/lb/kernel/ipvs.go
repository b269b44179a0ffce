// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// An ipvs is the kernel's IPVS in force with one forwarding method. One local route for each IP family makes the virtual
// addresses local, because IPVS hooks into local input.
//
// Sysctls: conntrack is off (the default; kube-proxy, which masquerades by iptables, needs it on). sloppy_tcp is on, so
// that connections whose SYN another balancer saw are forwarded, as by Katran and the BPF variants. conn_reuse_mode is
// 1, the default. expire_nodest_conn is on, as in kube-proxy: connections of a removed backend end at once.
// run_estimation is off: otherwise a kernel thread computes the rates of all services every two seconds, also during
// trials of other members.
type ipvs struct {
	*kernel
	socket    *ipvsSocket
	forward   ipvsForward
	scheduler ipvsScheduler
	local     map[ipFamily]netip.Prefix // the local route for virtual addresses
	paths     map[netip.Addr]bool       // backends with a route whose MTU allows for the outer header
	dirty     bool                      // a change failed: the services in the kernel are not known
}

// newIPVS puts IPVS in force, without services yet.
func newIPVS(v harness.Variant, at harness.Site, forward ipvsForward) (_ service.Balancer, err error) {
	scheduler, err := ipvsSetting(v.Settings)
	if err != nil {
		return nil, err
	}
	b := &ipvs{forward: forward, scheduler: scheduler, local: map[ipFamily]netip.Prefix{}, paths: map[netip.Addr]bool{}}
	socket, err := openIPVS(at.NS)
	if err != nil {
		return nil, err
	}
	if b.kernel, err = newKernel(at); err != nil {
		return nil, errors.Join(err, socket.close())
	}
	b.socket = socket
	b.undo = append(b.undo, socket.close)
	if err := errors.Join(b.configure(), b.probe()); err != nil {
		return nil, errors.Join(err, b.kernel.close())
	}
	return b, nil
}

// ipvsSetting reads a variant's settings.
func ipvsSetting(settings []harness.Setting) (ipvsScheduler, error) {
	name := "rr"
	for _, s := range settings {
		if s.Name != "scheduler" {
			return ipvsScheduler{}, fmt.Errorf("unknown setting %q (known: scheduler)", s.Name)
		}
		name = s.Value
	}
	scheduler, ok := ipvsSchedulers()[name]
	if !ok {
		return ipvsScheduler{}, fmt.Errorf("unknown scheduler %q", name)
	}
	return scheduler, nil
}

// probe adds a service with the scheduler and removes it.
func (b *ipvs) probe() error {
	key := service.Key{VIP: at4("192.0.2.1", 80), Proto: harness.TCP}
	err := b.socket.do(context.Background(), []ipvsRequest{{command: ipvsNewService, service: key, scheduler: b.scheduler}})
	if errors.Is(err, unix.ENOENT) {
		return harness.Skip("this kernel's IPVS has no scheduler %[1]s (module ip_vs_%[1]s)", b.scheduler.name)
	}
	if err == nil {
		err = b.socket.do(context.Background(), []ipvsRequest{{command: ipvsDelService, service: key}})
	}
	return err
}

// Sync changes the services of IPVS to those wanted. Services that stay are not touched.
func (b *ipvs) Sync(ctx context.Context, services []service.Service) error {
	if err := b.weights(services); err != nil {
		return err
	}
	old, err := b.set(services)
	if err != nil {
		return err
	}
	if err := b.makeLocal(services); err != nil {
		return err
	}
	var requests []ipvsRequest
	if b.dirty {
		requests, old = append(requests, ipvsRequest{command: ipvsFlushAll}), nil
	}
	before := make(map[service.Key]*service.Service, len(old))
	for i := range old {
		key := old[i].Key()
		before[key] = &old[i]
		if _, stays := b.index[key]; !stays {
			requests = append(requests, ipvsRequest{command: ipvsDelService, service: key})
		}
	}
	for i := range services {
		s := &services[i]
		requests = b.change(requests, before[s.Key()], s)
	}
	return b.commit(ctx, "sync", requests)
}

// Update changes the backends of one service that differ.
func (b *ipvs) Update(ctx context.Context, s service.Service) error {
	if err := b.weights([]service.Service{s}); err != nil {
		return err
	}
	if b.dirty {
		return errors.New("update IPVS: a change failed before, Sync first")
	}
	old, err := b.replace(s)
	if err != nil {
		return err
	}
	if err := b.pathTo(s.Backends); err != nil {
		return err
	}
	return b.commit(ctx, "update", b.change(nil, &old, &s))
}

func (b *ipvs) commit(ctx context.Context, what string, requests []ipvsRequest) error {
	b.dirty = true
	if err := b.socket.do(ctx, requests); err != nil {
		return fmt.Errorf("%s IPVS: %w", what, err)
	}
	b.dirty = false
	return nil
}

// change appends the requests that change a service from before (nil: it is new) to after. Backends are added before
// others are removed, so that there is always one.
func (b *ipvs) change(requests []ipvsRequest, before, after *service.Service) []ipvsRequest {
	key := after.Key()
	if before == nil {
		// A scheduler with a table is set last, or it would build the table for every backend.
		first := b.scheduler
		if first.table {
			first = ipvsScheduler{name: ipvsUnscheduled}
		}
		requests = append(requests, ipvsRequest{command: ipvsNewService, service: key, scheduler: first})
		requests = b.backends(requests, ipvsNewDest, key, after.Backends...)
		if b.scheduler.table {
			requests = append(requests, ipvsRequest{command: ipvsSetService, service: key, scheduler: b.scheduler})
		}
		return requests
	}
	if sameBackends(before.Backends, after.Backends) {
		return requests
	}
	for _, d := range after.Backends {
		switch i := backendAt(before.Backends, d.Addr); {
		case i < 0:
			requests = b.backends(requests, ipvsNewDest, key, d)
		case before.Backends[i].Weight != d.Weight:
			requests = b.backends(requests, ipvsSetDest, key, d)
		}
	}
	for _, d := range before.Backends {
		if backendAt(after.Backends, d.Addr) < 0 {
			requests = b.backends(requests, ipvsDelDest, key, d)
		}
	}
	return requests
}

func (b *ipvs) backends(requests []ipvsRequest, command byte, key service.Key, list ...service.Backend) []ipvsRequest {
	for _, d := range list {
		requests = append(requests, ipvsRequest{command: command, service: key, backend: d, forward: b.forward})
	}
	return requests
}

func backendAt(list []service.Backend, addr netip.AddrPort) int {
	return slices.IndexFunc(list, func(b service.Backend) bool { return b.Addr == addr })
}

func sameBackends(a, b []service.Backend) bool {
	if len(a) > 0 && len(a) == len(b) && &a[0] == &b[0] {
		return true
	}
	return slices.EqualFunc(a, b, func(x, y service.Backend) bool { return x.Addr == y.Addr && x.Weight == y.Weight })
}

// weights returns an error if the scheduler cannot honour the weights.
func (b *ipvs) weights(services []service.Service) error {
	if b.scheduler.weigh {
		return nil
	}
	for i := range services {
		list := serving(&services[i])
		for _, d := range list {
			if d.Weight != list[0].Weight {
				return harness.Skip("scheduler %s of IPVS has no weights but 0: backend %s of service %s has %d, another %d", b.scheduler.name,
					d.Addr, services[i].VIP, d.Weight, list[0].Weight)
			}
		}
	}
	return nil
}

// Peculiarities: every forwarding method decrements the time to live, and translation adds a missing UDP checksum.
func (b *ipvs) Peculiarities() service.Peculiarities {
	return service.Peculiarities{Routes: b.forward != ipvsMasquerade, FillsChecksum: b.forward == ipvsMasquerade}
}

// Close removes all services, and with them their connections.
func (b *ipvs) Close() error {
	if b.handle == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	errs := []error{b.socket.do(ctx, []ipvsRequest{{command: ipvsFlushAll}}), b.unroute(), b.kernel.close()}
	b.handle = nil
	return errors.Join(errs...)
}
