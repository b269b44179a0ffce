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

// fewServices is the largest number of services for which one is deleted and added again, which sets all of them: for
// 10,000 that takes some of the kernel's balancers 10 s. The check does not depend on the number.
const fewServices = 16

// A syncer is the part of a balancer that changes services.
type syncer interface {
	changer
	Sync(context.Context, []service.Service) error
}

// checkServices runs the check of services that share an address and change.
func checkServices(ctx context.Context, s Subject) error {
	return s.withJudge(func(j *judge) error { return j.services(ctx, s.Balancer, s.Services) })
}

// services takes half of the backends from the UDP service of an address and the other half from its TCP service; deletes the UDP service,
// and adds it again with another backend. A UDP flow must end with its backend's place in the service, and with the service.
func (j *judge) services(ctx context.Context, lb syncer, all []service.Service) (err error) {
	if j.class == harness.ClassCeiling {
		return nil
	}
	sc := j.sc
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
	datagram := func(from netip.AddrPort) []byte { return sc.udpTo(from, sc.udp.VIP, "probe") }
	before, err := j.open(changeFlows, datagram)
	if err != nil {
		return err
	}
	half := len(tcp.Backends) / 2
	sc.udp = with(udp, udp.Backends[half:]...)
	if err := lb.Update(ctx, sc.udp); err != nil {
		return err
	}
	if err := j.checkServed("backends were taken out of the UDP service", before, udp.Backends[:half]); err != nil {
		return err
	}
	sc.tcp = with(tcp, tcp.Backends[:half]...)
	if err := lb.Update(ctx, sc.tcp); err != nil {
		return err
	}
	_, err = j.open(changeFlows, sc.syn)
	if err == nil {
		_, err = j.open(changeFlows, datagram)
	}
	if err != nil {
		return fmt.Errorf("TCP and UDP of one address: %w", err)
	}

	if len(all) > fewServices {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(all), func(s service.Service) bool { return s.Key() == udp.Key() })
	if err := lb.Sync(ctx, rest); err != nil {
		return err
	}
	for _, from := range slices.Collect(maps.Keys(before))[:4] { // few: each waits for absenceTime
		late := sc.udpTo(from, sc.udp.VIP, "late")
		if err := j.check(fixture{action: actDrop, frames: [][]byte{late}}); err != nil {
			return fmt.Errorf("the UDP service was deleted: %w", err)
		}
	}
	sc.udp = with(udp, udp.Backends[0])
	if err := lb.Sync(ctx, append(rest, sc.udp)); err != nil {
		return err
	}
	return j.checkServed("the UDP service was added again, with another backend", before, nil)
}

// checkServed sends a packet of each UDP flow, which must reach a present backend of the service. Unless removed is nil, only flows of
// those backends may have moved.
func (j *judge) checkServed(when string, flows flowBackends, removed []service.Backend) error {
	for from, was := range flows {
		now, err := j.probe(j.sc.udpTo(from, j.sc.udp.VIP, "again"))
		if err != nil {
			return fmt.Errorf("%s: the flow from %s, before at %s: %w", when, from, was, err)
		}
		if removed != nil && now != was && !slices.ContainsFunc(removed, func(b service.Backend) bool { return b.Addr == was }) {
			return fmt.Errorf("%s: the flow from %s moved from %s to %s", when, from, was, now)
		}
	}
	return nil
}
