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

// changeFlows is the number of flows while backends change: enough that every backend has some.
const changeFlows = 96

// flowBackends holds the backend of each flow, by the flow's client.
type flowBackends map[netip.AddrPort]netip.AddrPort

// A changer is the part of a balancer that changes the backends of a service.
type changer interface {
	Update(context.Context, service.Service) error
	Flush(context.Context) error
}

// checkChanges runs the check of changing backends.
func checkChanges(ctx context.Context, s Subject) error {
	return s.withJudge(func(j *judge) error { return j.changes(ctx, s.Balancer) })
}

// changes adds a backend to a service, drains another, and ends both changes. New flows go only to backends that take new ones, to each of
// them, and established flows keep a backend that is still there. Each change begins where the last one ended, because with 10,000 services
// one change takes some of the kernel's balancers seconds.
func (j *judge) changes(ctx context.Context, lb changer) (err error) {
	if j.class == harness.ClassCeiling {
		return nil
	}
	sc := j.sc
	whole := sc.tcp
	defer func() {
		sc.tcp = whole
		if err != nil {
			err = errors.Join(err, lb.Update(context.WithoutCancel(ctx), whole))
		}
	}()
	spare := whole.Spare[0]
	all, drained := whole, whole
	all.Backends, all.Spare = append(slices.Clone(whole.Backends), spare), whole.Spare[1:]
	drained.Backends, drained.Spare = slices.Clone(all.Backends), all.Spare
	drained.Backends[0].Weight = 0
	sc.tcp = all // established flows may go to backends that were removed
	flows, err := j.openTo(whole.Backends)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		what    string
		service service.Service
		mayMove service.Backend   // its flows may move
		takers  []service.Backend // get new flows
	}{
		{"a backend was added", all, service.Backend{}, all.Backends},
		{"a backend was drained", drained, service.Backend{}, drained.Backends[1:]},
		{"a backend was removed", whole, spare, whole.Backends},
	} {
		err := lb.Update(ctx, c.service)
		if err == nil {
			err = j.checkStay(flows, c.mayMove)
		}
		if err == nil {
			flows, err = j.openTo(c.takers)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	return nil
}

// openTo opens flows, which must go to these backends, to each of them, and to no other.
func (j *judge) openTo(backends []service.Backend) (flowBackends, error) {
	flows, err := j.open(changeFlows, j.sc.syn)
	if err != nil {
		return nil, err
	}
	for from, to := range flows {
		if !slices.ContainsFunc(backends, func(b service.Backend) bool { return b.Addr == to }) {
			return nil, fmt.Errorf("the new flow from %s went to %s", from, to)
		}
	}
	return flows, flows.reach(backends)
}

// reach returns an error unless every backend has a flow.
func (f flowBackends) reach(backends []service.Backend) error {
	reached := slices.Collect(maps.Values(f))
	for _, b := range backends {
		if !slices.Contains(reached, b.Addr) {
			return fmt.Errorf("%d flows and none to backend %s", len(f), b.Addr)
		}
	}
	return nil
}

// open opens n flows, each with the frame of its client, and returns their backends.
func (j *judge) open(n int, frame func(from netip.AddrPort) []byte) (flowBackends, error) {
	flows := make(flowBackends, n)
	for range n {
		from := j.sc.port()
		to, err := j.probe(frame(from))
		if err != nil {
			return nil, err
		}
		flows[from] = to
	}
	return flows, nil
}

// probe sends a frame that must be forwarded and returns its backend.
func (j *judge) probe(frame []byte) (netip.AddrPort, error) {
	var to service.Backend
	err := j.checkFrame(fixture{action: actForward}, frame, &to)
	return to.Addr, err
}

// checkStay returns an error if an established flow has another backend than before, unless that is mayMove.
func (j *judge) checkStay(before flowBackends, mayMove service.Backend) error {
	for from, was := range before {
		if was == mayMove.Addr {
			continue
		}
		now, err := j.probe(j.sc.tcpTo(from, j.sc.tcp.VIP, tcpACK, ""))
		if err != nil {
			return err
		}
		if now != was {
			return fmt.Errorf("the flow from %s moved from %s to %s", from, was, now)
		}
	}
	return nil
}
