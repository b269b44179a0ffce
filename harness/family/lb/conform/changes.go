// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// changeFlows is how many flows are watched while backends come and go: enough that every backend has some.
const changeFlows = 96

// A watch follows flows of one service while its backends change.
type watch struct{ *judge }

// A changer is what changes of a balancer.
type changer interface {
	Update(context.Context, service.Service) error
	Flush(context.Context) error
}

// checkChanges runs the scene of changing backends.
func checkChanges(ctx context.Context, s Subject) error {
	return s.judged(func(j *judge) error { return j.changes(ctx, s.Balancer) })
}

// changes spreads flows over a service, then takes a backend away, drains one and adds one: flows stay where they are if
// their backend stays, and new flows go where they may.
func (j *judge) changes(ctx context.Context, lb changer) (err error) {
	if j.class == harness.ClassCeiling {
		return nil
	}
	w, sc := &watch{j}, j.sc
	whole := sc.tcp
	defer func() {
		sc.tcp = whole
		err = errors.Join(err, lb.Update(context.WithoutCancel(ctx), whole))
	}()

	before, err := w.open(changeFlows)
	if err != nil {
		return err
	}
	if missed := without(whole.Backends, before); len(missed) > 0 {
		return fmt.Errorf("%d flows and none to backend %s", changeFlows, missed[0].Addr)
	}
	change := func(what string, backends []service.Backend) error {
		changed := whole
		changed.Backends = backends
		changed.Spare = slices.DeleteFunc(slices.Clone(whole.Spare), func(b service.Backend) bool {
			return slices.ContainsFunc(backends, func(x service.Backend) bool { return x.Addr == b.Addr })
		})
		if err := lb.Update(ctx, changed); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		// Flows still go to backends that are gone until they end: judge against all there ever were.
		sc.tcp.Backends = append(slices.Clone(whole.Backends), whole.Spare...)
		return nil
	}
	gone := whole.Backends[0]

	if err := change("remove a backend", whole.Backends[1:]); err != nil {
		return err
	}
	if err := w.stay("a backend was removed", before, gone); err != nil {
		return err
	}
	if err := w.avoid("a backend was removed", gone); err != nil {
		return err
	}

	drained := slices.Clone(whole.Backends)
	drained[0].Weight = 0
	if err := errors.Join(change("put the backend back", whole.Backends), lb.Flush(ctx)); err != nil {
		return err
	}
	if before, err = w.open(changeFlows); err != nil {
		return err
	}
	if err := change("drain a backend", drained); err != nil {
		return err
	}
	if err := w.stay("a backend was drained", before, service.Backend{}); err != nil {
		return err
	}
	if err := w.avoid("a backend was drained", gone); err != nil {
		return err
	}

	if err := errors.Join(change("end draining", whole.Backends), lb.Flush(ctx)); err != nil {
		return err
	}
	if before, err = w.open(changeFlows); err != nil {
		return err
	}
	if err := change("add a backend", append(slices.Clone(whole.Backends), whole.Spare...)); err != nil {
		return err
	}
	if err := w.stay("a backend was added", before, service.Backend{}); err != nil {
		return err
	}
	after, err := w.open(changeFlows)
	if err != nil {
		return err
	}
	if missed := without(whole.Spare, after); len(missed) > 0 {
		return fmt.Errorf("a backend was added: %d new flows and none to it", changeFlows)
	}
	return nil
}

// without returns the backends that no flow went to.
func without(backends []service.Backend, flows map[netip.AddrPort]netip.AddrPort) []service.Backend {
	var missed []service.Backend
	for _, b := range backends {
		if !slices.ContainsFunc(values(flows), func(a netip.AddrPort) bool { return a == b.Addr }) {
			missed = append(missed, b)
		}
	}
	return missed
}

func values(m map[netip.AddrPort]netip.AddrPort) []netip.AddrPort {
	out := make([]netip.AddrPort, 0, len(m))
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// open begins n flows and returns where each went, by its client.
func (w *watch) open(n int) (map[netip.AddrPort]netip.AddrPort, error) {
	flows := make(map[netip.AddrPort]netip.AddrPort, n)
	for range n {
		from := w.sc.port()
		to, err := w.probe(from, tcpSYN)
		if err != nil {
			return nil, err
		}
		flows[from] = to
	}
	return flows, nil
}

// probe sends one packet of a flow and returns the backend it went to.
func (w *watch) probe(from netip.AddrPort, flags byte) (netip.AddrPort, error) {
	return w.probeFrame(w.sc.tcpTo(from, w.sc.tcp.VIP, flags, ""))
}

// probeFrame is probe with a frame of any flow.
func (w *watch) probeFrame(frame []byte) (netip.AddrPort, error) {
	if err := w.send(frame); err != nil {
		return netip.AddrPort{}, err
	}
	in, err := parse(frame)
	if err != nil {
		return netip.AddrPort{}, err
	}
	out, err := w.next(patience, true)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if out == nil {
		return netip.AddrPort{}, errors.New("a packet of a flow was lost")
	}
	to, err := w.sc.backend(in, *out, w.class)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if err := w.expect(in, *out, *to); err != nil {
		return netip.AddrPort{}, err
	}
	if w.class == "nat" && in.isSYN() {
		if err := w.answer(in, *to); err != nil {
			return netip.AddrPort{}, fmt.Errorf("answer to a SYN: %w", err)
		}
	}
	return to.Addr, nil
}

// stay returns an error if a flow has another backend than before, unless its backend is the one that went.
func (w *watch) stay(when string, before map[netip.AddrPort]netip.AddrPort, gone service.Backend) error {
	for from, was := range before {
		if was == gone.Addr {
			continue
		}
		now, err := w.probe(from, tcpACK)
		if err != nil {
			return fmt.Errorf("%s: %w", when, err)
		}
		if now != was {
			return fmt.Errorf("%s: the flow from %s moved from %s to %s", when, from, was, now)
		}
	}
	return nil
}

// avoid returns an error if a new flow goes to the backend.
func (w *watch) avoid(when string, gone service.Backend) error {
	flows, err := w.open(changeFlows)
	if err != nil {
		return fmt.Errorf("%s: %w", when, err)
	}
	for from, to := range flows {
		if to == gone.Addr {
			return fmt.Errorf("%s: the new flow from %s went to it", when, from)
		}
	}
	return nil
}
