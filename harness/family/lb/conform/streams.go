// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"context"
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

const (
	// streamBytes is the size of each request and response of the stream check: many segments either way.
	streamBytes = 20000
	// streamTime is the time within which every backend must answer, as sys.Deadline has it.
	streamTime = 5 * time.Second
)

// checkStreams sends streams through the balancer until every backend has answered, and compares all bytes of both
// directions. The servers of package tcp must be running on the reals.
func checkStreams(ctx context.Context, s Subject) error {
	sc, err := s.scene()
	if err != nil {
		return err
	}
	if err := s.Segment.Select(s.Host, s.ReturnVia); err != nil {
		return fmt.Errorf("select balancer: %w", err)
	}
	load := tcp.Load{Client: s.Segment.Client, Cgroup: s.Cgroup, Threads: 4, Sources: -1}
	for _, try := range []struct {
		service  service.Service
		size     int
		exchange func(tcp.Load, context.Context, time.Duration) (*tcp.LoadReport, error)
		name     string
	}{
		{sc.tcp, streamBytes, tcp.Load.CRR, "TCP, a connection each"},
		{sc.tcp, streamBytes, tcp.Load.RR, "TCP, kept alive"},
		{sc.udp, 600, tcp.Load.CRR, "UDP, connected"},
		{sc.udp, 600, unconnected, "UDP, unconnected"},
	} {
		load.VIPs = []netip.AddrPort{try.service.VIP}
		load.Proto = try.service.Proto
		load.Request, load.Response = try.size, try.size
		if err := s.exchange(ctx, load, try.service, streamTime, try.exchange); err != nil {
			return fmt.Errorf("%s: %w", try.name, err)
		}
	}
	return nil
}

// unconnected runs UDP exchanges on sockets that are not connected, one socket an exchange.
func unconnected(l tcp.Load, ctx context.Context, d time.Duration) (*tcp.LoadReport, error) {
	l.Unconnected = true
	return l.CRR(ctx, d)
}

// exchange runs rounds of a load until every backend has answered. It returns an error if an exchange fails, another
// real answers, or a backend does not answer within the time.
func (s Subject) exchange(ctx context.Context, l tcp.Load, service service.Service, most time.Duration,
	run func(tcp.Load, context.Context, time.Duration) (*tcp.LoadReport, error)) error {
	backends := s.indices(service)
	missing := maps.Clone(backends)
	for deadline := sys.NewDeadline(most); ; {
		r, err := run(l, ctx, 10*time.Millisecond)
		if err != nil {
			return err
		}
		if r.Failed > 0 {
			return fmt.Errorf("%d of %d exchanges failed: %w", r.Failed, r.Failed+r.Done, r.First)
		}
		for real, n := range r.PerReal {
			if n > 0 && !backends[real] {
				return fmt.Errorf("real %d answered, which is no backend", real)
			}
			if n > 0 {
				delete(missing, real)
			}
		}
		if len(missing) == 0 || s.Class == harness.ClassCeiling {
			return nil
		}
		if deadline.Over() {
			return fmt.Errorf("real %d is a backend and was never reached", slices.Min(slices.Collect(maps.Keys(missing))))
		}
	}
}

// indices returns the indices of a service's backends among the segment's reals.
func (s Subject) indices(service service.Service) map[int]bool {
	out := map[int]bool{}
	for _, b := range service.Backends {
		for i, real := range s.Segment.Reals {
			if a := b.Addr.Addr(); a == real.Addr4.Addr() || a == real.Addr6.Addr() {
				out[i] = true
			}
		}
	}
	return out
}
