// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
	"github.com/kxlab/kxlab/harness/tcp"
)

// A proxy ends connections, so no packet of a client reaches a backend: it is judged by streams alone. A change may take effect late, as old
// processes of a proxy accept for a moment; then it must hold.

const (
	// proxyLate is the time within which a change must be in force for new connections, as sys.Deadline has it.
	proxyLate = 2 * time.Second
	// proxyShares is the number of connections by which shares are judged, and proxyOff how far a share may be off: 3.5 standard
	// deviations of a proxy that draws backends at random.
	proxyShares = 400
	proxyOff    = 0.0875
	// proxyHeld is the number of connections that are held while backends change.
	proxyHeld = 64
)

// checkProxy runs the checks of class proxy.
func checkProxy(ctx context.Context, s Subject) (err error) {
	target := s.Services[len(s.Services)-1]
	if target.Proto != harness.TCP || len(target.Backends) < 3 || len(target.Spare) < 1 {
		return errors.New("the last service must be TCP with three backends and a spare one")
	}
	if err := s.Segment.Select(s.Host, false); err != nil {
		return fmt.Errorf("select balancer: %w", err)
	}
	defer func() { err = errors.Join(err, s.Balancer.Update(context.WithoutCancel(ctx), target)) }()
	for _, step := range []struct {
		name string
		run  func(context.Context, service.Service) error
	}{{"streams", s.proxyStreams}, {"weights", s.proxyWeights}, {"changes", s.proxyChanges}} {
		if err := step.run(ctx, target); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (s Subject) proxyLoad(of service.Service) tcp.Load {
	return tcp.Load{Client: s.Segment.Client, Threads: 4, Sources: -1, VIPs: []netip.AddrPort{of.VIP}}
}

// proxyStreams sends streams to the first and the last service until every backend has answered.
func (s Subject) proxyStreams(ctx context.Context, target service.Service) error {
	for _, of := range []service.Service{s.Services[0], target} {
		load := s.proxyLoad(of)
		load.Request, load.Response = streamBytes, streamBytes
		if err := s.exchange(ctx, load, of, streamTime, tcp.Load.CRR); err != nil {
			return fmt.Errorf("a connection each: %w", err)
		}
		load.Threads = 4 * len(of.Backends) // one connection each: enough that a random choice reaches all soon
		if err := s.exchange(ctx, load, of, streamTime, tcp.Load.RR); err != nil {
			return fmt.Errorf("kept alive: %w", err)
		}
	}
	return nil
}

// proxyWeights gives the backends different weights, one of them 0, and compares the shares of connections.
func (s Subject) proxyWeights(ctx context.Context, target service.Service) error {
	weighed := target
	weighed.Backends = slices.Clone(target.Backends)
	sum := 0
	for i := range weighed.Backends {
		weighed.Backends[i].Weight = i // 0, 1, 2, …
		sum += i
	}
	if err := s.Balancer.Update(ctx, weighed); err != nil {
		return err
	}
	if err := s.proxySettled(ctx, weighed); err != nil {
		return err
	}
	count, all := map[int]int{}, 0
	for deadline := sys.NewDeadline(streamTime); all < proxyShares; {
		r, err := s.proxyLoad(target).CRR(ctx, 10*time.Millisecond)
		if err != nil {
			return err
		}
		if r.Failed > 0 || deadline.Over() {
			return fmt.Errorf("%d connections failed, %d of %d were made: %w", r.Failed, all, proxyShares, cmpErr(r.First))
		}
		for real, n := range r.PerReal {
			count[real] += int(n)
			all += int(n)
		}
	}
	for _, b := range weighed.Backends {
		got, want := float64(count[s.real(b)])/float64(all), float64(b.Weight)/float64(sum)
		if got < want-proxyOff || got > want+proxyOff || b.Weight == 0 && got > 0 {
			return fmt.Errorf("backend %s of weight %d of %d got a share of %.3f of %d connections, want %.3f", b.Addr, b.Weight, sum, got, all, want)
		}
	}
	return nil
}

func cmpErr(err error) error {
	if err == nil {
		return errors.New("too slow")
	}
	return err
}

// proxySettled returns when new connections have reached backends of weight above 0 alone for 50 ms, and all of them.
func (s Subject) proxySettled(ctx context.Context, of service.Service) error {
	allowed := map[int]bool{}
	for _, b := range of.Backends {
		if b.Weight > 0 {
			allowed[s.real(b)] = true
		}
	}
	missing, since := maps.Clone(allowed), time.Now()
	for deadline := sys.NewDeadline(proxyLate); ; {
		r, err := s.proxyLoad(of).CRR(ctx, 5*time.Millisecond)
		if err != nil {
			return err
		}
		if r.Failed > 0 {
			return fmt.Errorf("%d of %d new connections failed after a change: %w", r.Failed, r.Failed+r.Done, r.First)
		}
		wrong := -1
		for real, n := range r.PerReal {
			if n > 0 && !allowed[real] {
				wrong, missing, since = real, maps.Clone(allowed), time.Now()
			} else if n > 0 {
				delete(missing, real)
			}
		}
		switch {
		case len(missing) == 0 && time.Since(since) > 50*time.Millisecond:
			return nil
		case !deadline.Over():
		case wrong >= 0:
			return fmt.Errorf("real %d still gets new connections %v after it was drained or removed", wrong, deadline.Passed())
		default:
			return fmt.Errorf("real %d is a backend and got no connection within %v", slices.Min(slices.Collect(maps.Keys(missing))), deadline.Passed())
		}
	}
}

// proxyChanges adds, drains and removes a backend under open connections. Those to backends that stay must go on.
func (s Subject) proxyChanges(ctx context.Context, target service.Service) error {
	if err := s.Balancer.Update(ctx, target); err != nil {
		return err
	}
	if err := s.proxySettled(ctx, target); err != nil {
		return err
	}
	pool, opened, err := tcp.OpenPool(ctx, s.proxyLoad(target), proxyHeld)
	if err != nil {
		return err
	}
	defer pool.Close()
	if opened.Broken > 0 {
		return fmt.Errorf("%d of %d connections could not be opened: %v", opened.Broken, proxyHeld, opened.Why)
	}
	leaving := s.real(target.Backends[0])
	added, drained, removed := target, target, target
	added.Backends = append(slices.Clone(target.Backends), target.Spare...)
	drained.Backends = slices.Clone(added.Backends)
	drained.Backends[0].Weight = 0
	removed.Backends = added.Backends[1:]
	for _, step := range []struct {
		name string
		set  service.Service
		ends int // the real whose connections may end
	}{{"a backend was added", added, -1}, {"one was drained", drained, -1}, {"it was removed", removed, leaving}} {
		set := step.set
		set.Spare = nil
		if err := s.Balancer.Update(ctx, set); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if err := s.proxySettled(ctx, set); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		r, err := pool.Probe(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		lost := r.Broken
		if step.ends >= 0 && step.ends < len(r.BrokenPerReal) {
			lost -= r.BrokenPerReal[step.ends]
		}
		if lost > 0 || r.Moved > 0 {
			return fmt.Errorf("%s: %d open connections broke and %d moved, of %d: %v", step.name, lost, r.Moved, proxyHeld, r.Why)
		}
	}
	return nil
}

// real is the index of a backend among the segment's reals, -1 if it is none of them.
func (s Subject) real(b service.Backend) int {
	for i := range s.indices(service.Service{Backends: []service.Backend{b}}) {
		return i
	}
	return -1
}
