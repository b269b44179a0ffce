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

// changes opens flows to a service, then removes, drains and adds a backend: established flows keep a backend that is
// still there, and new flows go only to backends that take new ones.
func (j *judge) changes(ctx context.Context, lb changer) (err error) {
	if j.class == harness.ClassCeiling {
		return nil
	}
	sc := j.sc
	whole := sc.tcp
	defer func() {
		sc.tcp = whole
		err = errors.Join(err, lb.Update(context.WithoutCancel(ctx), whole))
	}()
	first, all := whole.Backends[0], slices.Concat(whole.Backends, whole.Spare)
	drained := slices.Clone(whole.Backends)
	drained[0].Weight = 0
	change := func(what string, backends []service.Backend) error {
		changed := whole
		changed.Backends = backends
		changed.Spare = slices.DeleteFunc(slices.Clone(whole.Spare), func(b service.Backend) bool {
			return slices.ContainsFunc(backends, func(x service.Backend) bool { return x.Addr == b.Addr })
		})
		if err := lb.Update(ctx, changed); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		sc.tcp.Backends = all // established flows may go to backends that were removed
		return nil
	}
	for i, c := range []struct {
		what, when string
		backends   []service.Backend
		mayMove    service.Backend   // its flows may move
		closed     service.Backend   // gets no new flows
		open       []service.Backend // get new flows
	}{
		{"remove a backend", "a backend was removed", whole.Backends[1:], first, first, nil},
		{"drain a backend", "a backend was drained", drained, service.Backend{}, first, nil},
		{"add a backend", "a backend was added", all, service.Backend{}, service.Backend{}, whole.Spare},
	} {
		if i > 0 {
			if err := errors.Join(change("restore the backends", whole.Backends), lb.Flush(ctx)); err != nil {
				return err
			}
		}
		before, err := j.open(changeFlows, sc.syn)
		if err != nil {
			return err
		}
		if err := before.reach(whole.Backends); err != nil {
			return err
		}
		if err := change(c.what, c.backends); err != nil {
			return err
		}
		if err := j.checkStay(before, c.mayMove); err != nil {
			return fmt.Errorf("%s: %w", c.when, err)
		}
		after, err := j.open(changeFlows, sc.syn)
		if err == nil {
			err = after.reach(c.open)
		}
		for from, to := range after {
			if err == nil && to == c.closed.Addr {
				err = fmt.Errorf("the new flow from %s went to it", from)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.when, err)
		}
	}
	return nil
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
