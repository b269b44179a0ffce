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

// An ipvs is the kernel's IPVS in force, in one of its ways of forwarding. Its packets are for this machine, as far as
// routing goes: the virtual addresses are local, by one local route for each IP family, and IPVS takes them where local
// packets come in.
//
// What is chosen, and why: conntrack is off (IPVS's own default; kube-proxy, which masquerades by iptables, needs it on).
// sloppy_tcp is on, so that a connection whose SYN another balancer saw is taken over, as Katran and the BPF variants do.
// conn_reuse_mode is 1, the default. expire_nodest_conn is on, as in kube-proxy: connections of a backend that was
// removed end at once. run_estimation is off: rates are for the eyes only, and one kernel thread would compute them for
// all services every two seconds in the trials of everybody else.
type ipvs struct {
	*kernel
	socket    *ipvsSocket
	forward   ipvsForward
	scheduler ipvsScheduler
	owned     map[ipFamily]netip.Prefix // the local route for virtual addresses
	paths     map[netip.Addr]bool       // backends with a route that leaves room for the outer header
	dirty     bool                      // a change failed: what is there is not known
}

// newIPVS puts IPVS in force, without services yet.
func newIPVS(v harness.Variant, at harness.Site, forward ipvsForward) (_ service.Balancer, err error) {
	scheduler, err := ipvsSetting(v.Settings)
	if err != nil {
		return nil, err
	}
	b := &ipvs{forward: forward, scheduler: scheduler, owned: map[ipFamily]netip.Prefix{}, paths: map[netip.Addr]bool{}}
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
			return ipvsScheduler{}, fmt.Errorf("unknown setting %q (there is: scheduler)", s.Name)
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
	if err != nil {
		return err
	}
	return b.socket.do(context.Background(), []ipvsRequest{{command: ipvsDelService, service: key}})
}

// Sync brings IPVS from the services it has to those wanted: what stays is not touched.
func (b *ipvs) Sync(ctx context.Context, services []service.Service) error {
	if err := b.weights(services); err != nil {
		return err
	}
	old, err := b.set(services)
	if err != nil {
		return err
	}
	if err := b.own(services); err != nil {
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

// change appends what brings a service from before (nil: not there) to after. Backends come before others go, so that
// there is always one.
func (b *ipvs) change(requests []ipvsRequest, before, after *service.Service) []ipvsRequest {
	key := after.Key()
	if before == nil {
		// A scheduler with a table comes last, or it would build one for every backend.
		first := b.scheduler
		if first.table {
			first = ipvsScheduler{name: ipvsUnscheduled}
		}
		requests = append(requests, ipvsRequest{command: ipvsNewService, service: key, scheduler: first})
		requests = b.backends(requests, ipvsNewDest, key, after.Backends)
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
			requests = b.backends(requests, ipvsNewDest, key, []service.Backend{d})
		case before.Backends[i].Weight != d.Weight:
			requests = b.backends(requests, ipvsSetDest, key, []service.Backend{d})
		}
	}
	for _, d := range before.Backends {
		if backendAt(after.Backends, d.Addr) < 0 {
			requests = b.backends(requests, ipvsDelDest, key, []service.Backend{d})
		}
	}
	return requests
}

func (b *ipvs) backends(requests []ipvsRequest, command byte, key service.Key, list []service.Backend) []ipvsRequest {
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
				return harness.Skip("scheduler %s of IPVS knows no weights but 0: backend %s of service %s has %d, another %d", b.scheduler.name,
					d.Addr, services[i].VIP, d.Weight, list[0].Weight)
			}
		}
	}
	return nil
}

// Peculiarities tells that IPVS takes one from a packet's time to live whichever way it forwards it, and computes a whole
// checksum where it translates and there was none.
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
