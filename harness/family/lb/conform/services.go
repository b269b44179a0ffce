// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// fewServices is how many services there may be for one to be deleted and added again, which sets all of them: with
// 10,000 that takes some of the kernel's balancers 10 s. What a balancer does then does not depend on their number.
const fewServices = 16

// A syncer is what changes of a balancer when services come and go.
type syncer interface {
	changer
	Sync(context.Context, []service.Service) error
}

// checkServices runs the scene of services that share an address, come and go.
func checkServices(ctx context.Context, s Subject) error {
	return s.judged(func(j *judge) error { return j.services(ctx, s.Balancer, s.Services) })
}

// services gives the TCP and the UDP service of one address different backends; takes a backend out of the UDP service,
// deletes that service, and adds it again with another backend, while the TCP service keeps all backends up. No UDP flow
// may outlive its backend in the service, nor the service.
func (j *judge) services(ctx context.Context, lb syncer, all []service.Service) (err error) {
	if j.class == harness.ClassCeiling {
		return nil
	}
	w, sc := &watch{j}, j.sc
	tcp, udp := sc.tcp, sc.udp
	defer func() {
		sc.tcp, sc.udp = tcp, udp
		ctx := context.WithoutCancel(ctx)
		if len(all) > fewServices {
			err = errors.Join(err, lb.Update(ctx, tcp), lb.Update(ctx, udp))
		} else {
			err = errors.Join(err, lb.Sync(ctx, all))
		}
	}()
	with := func(s service.Service, backends ...service.Backend) service.Service {
		s.Backends, s.Spare = backends, nil
		return s
	}
	half := len(tcp.Backends) / 2
	sc.tcp, sc.udp = with(tcp, tcp.Backends[:half]...), with(udp, udp.Backends[half:]...)
	if err := errors.Join(lb.Update(ctx, sc.tcp), lb.Update(ctx, sc.udp)); err != nil {
		return err
	}
	if _, err := w.open(changeFlows); err != nil {
		return fmt.Errorf("TCP and UDP of one address: %w", err)
	}
	if _, err := w.openUDP(changeFlows); err != nil {
		return fmt.Errorf("TCP and UDP of one address: %w", err)
	}

	sc.tcp, sc.udp = tcp, udp
	if err := errors.Join(lb.Update(ctx, tcp), lb.Update(ctx, udp)); err != nil {
		return err
	}
	before, err := w.openUDP(changeFlows)
	if err != nil {
		return err
	}
	gone := udp.Backends[0]
	sc.udp = with(udp, udp.Backends[1:]...)
	if err := lb.Update(ctx, sc.udp); err != nil {
		return err
	}
	if err := w.move("a backend was taken out of the UDP service", before, gone.Addr); err != nil {
		return err
	}

	if len(all) > fewServices {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(all), func(s service.Service) bool { return s.Key() == udp.Key() })
	if err := lb.Sync(ctx, rest); err != nil {
		return err
	}
	for _, from := range slices.Collect(maps.Keys(before))[:4] { // few, as each waits for what must not come
		if err := w.nothing(from); err != nil {
			return fmt.Errorf("the UDP service was deleted: %w", err)
		}
	}
	sc.udp = with(udp, gone)
	if err := lb.Sync(ctx, append(rest, sc.udp)); err != nil {
		return err
	}
	return w.move("the UDP service was added again, with another backend", before, netip.AddrPort{})
}

// openUDP begins n UDP flows and returns where each went, by its client.
func (w *watch) openUDP(n int) (map[netip.AddrPort]netip.AddrPort, error) {
	flows := make(map[netip.AddrPort]netip.AddrPort, n)
	for range n {
		from := w.sc.port()
		to, err := w.probeFrame(w.sc.udpTo(from, w.sc.udp.VIP, "probe"))
		if err != nil {
			return nil, err
		}
		flows[from] = to
	}
	return flows, nil
}

// move sends a packet of each UDP flow, which must reach a backend that the service has now: the one from before, if it
// is there and not the one that went.
func (w *watch) move(when string, flows map[netip.AddrPort]netip.AddrPort, gone netip.AddrPort) error {
	for from, was := range flows {
		now, err := w.probeFrame(w.sc.udpTo(from, w.sc.udp.VIP, "again"))
		if err != nil {
			return fmt.Errorf("%s: the flow from %s, before at %s: %w", when, from, was, err)
		}
		if gone.IsValid() && was != gone && now != was {
			return fmt.Errorf("%s: the flow from %s moved from %s to %s", when, from, was, now)
		}
	}
	return nil
}

// nothing sends a packet of a UDP flow whose service is gone, which must not be balanced: it may be routed on, as it is.
func (w *watch) nothing(from netip.AddrPort) error {
	frame := w.sc.udpTo(from, w.sc.udp.VIP, "late")
	return w.judge.judge(fixture{fate: dropped, frames: [][]byte{frame}})
}
