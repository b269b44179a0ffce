// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// loadPlace is a segment whose balancer routes VIP i to real i, with servers in the reals.
func loadPlace(t testing.TB, reals int) *netlab.Segment {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	s, err := netlab.New(t.Context(), netlab.Options{Reals: reals})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	b, err := s.AddBalancer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range s.Reals {
		routeVIP(t, b, i, r)
	}
	if err := s.Select(b, true); err != nil {
		t.Fatal(err)
	}
	servers, err := Serve(s.Reals, ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func routeVIP(t testing.TB, b *netlab.Host, i int, r *netlab.Host) {
	t.Helper()
	for _, f := range []struct{ vip, via netip.Addr }{{netlab.VIP(4, i), r.Addr4.Addr()}, {netlab.VIP(6, i), r.Addr6.Addr()}} {
		dst := netlink.NewIPNet(f.vip.AsSlice())
		if err := b.Handle().RouteReplace(&netlink.Route{LinkIndex: b.Ifindex, Dst: dst, Gw: f.via.AsSlice()}); err != nil {
			t.Fatal(err)
		}
	}
}

func vips(family, n int) (all []netip.AddrPort) {
	for i := range n {
		all = append(all, netip.AddrPortFrom(netlab.VIP(family, i), 80))
	}
	return all
}

func TestLoad(t *testing.T) {
	s := loadPlace(t, 2)
	crr := func(l Load, span time.Duration) (*LoadReport, error) { return l.CRR(t.Context(), span) }
	rr := func(l Load, span time.Duration) (*LoadReport, error) { return l.RR(t.Context(), span) }
	for _, tt := range []struct {
		name string
		load Load
		run  func(Load, time.Duration) (*LoadReport, error)
	}{
		{"connections, IPv4", Load{VIPs: vips(4, 2), Sources: -1}, crr},
		{"connections, IPv6", Load{VIPs: vips(6, 2), Sources: -1}, crr},
		{"connections in the cgroup, two threads", Load{VIPs: vips(4, 2), Sources: -1, Threads: 2, Cgroup: s.Cgroup}, crr},
		{"connections reset", Load{VIPs: vips(4, 2), Reset: true}, crr},
		{"connections with long messages", Load{VIPs: vips(6, 2), Request: 300000, Response: 200001}, crr},
		{"keep-alive, TCP, IPv4", Load{VIPs: vips(4, 2), Threads: 2}, rr},
		{"keep-alive, TCP, IPv6", Load{VIPs: vips(6, 2), Threads: 2, CPUs: []int{0}}, rr},
		{"UDP, IPv4", Load{VIPs: vips(4, 2), Proto: harness.UDP, Threads: 2}, rr},
		{"UDP, IPv6, from generated sources", Load{VIPs: vips(6, 2), Proto: harness.UDP, Threads: 2, Sources: 100}, rr},
		{"UDP, not connected", Load{VIPs: vips(4, 2), Proto: harness.UDP, Threads: 2, Unconnected: true}, rr},
		{"UDP, long datagrams", Load{VIPs: vips(6, 2), Proto: harness.UDP, Threads: 2, Request: maxDatagram, Response: maxDatagram}, rr},
	} {
		tt.load.Client = s.Client
		span := 200 * time.Millisecond
		r, err := tt.run(tt.load, span)
		if err == nil && r.Done < 10 { // under the race detector, beside other work
			span *= 10
			r, err = tt.run(tt.load, span)
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		t.Logf("%s: %.0f/s, p50 %v, p99 %v, reals %v", tt.name, r.Rate(), r.Quantile(0.5), r.Quantile(0.99), r.PerReal)
		if r.Failed != 0 || len(r.PerReal) != 2 || r.PerReal[0] == 0 || r.PerReal[1] == 0 {
			t.Errorf("%s: %d done, %d failed (%v), per real %v", tt.name, r.Done, r.Failed, r.First, r.PerReal)
		}
		if r.Quantile(0) <= 0 || r.Quantile(0.5) > r.Quantile(0.99) || r.Quantile(1) > span {
			t.Errorf("%s: latencies %v, %v, %v, %v", tt.name, r.Quantile(0), r.Quantile(0.5), r.Quantile(0.99), r.Quantile(1))
		}
		var n float64
		for _, y := range r.Series("latency").Y {
			n += y
		}
		if n != float64(r.Done) {
			t.Errorf("%s: histogram of %v, want %d", tt.name, n, r.Done)
		}
	}
}

// TestLoadFails wants failures counted, and a load that hangs to stop when told.
func TestLoadFails(t *testing.T) {
	s := loadPlace(t, 1)
	nobody := Load{Client: s.Client, VIPs: []netip.AddrPort{netip.AddrPortFrom(netlab.VIP(4, 0), 81)}}
	before := openFiles(t)
	r, err := nobody.CRR(t.Context(), 20*time.Millisecond)
	if err != nil || r.Done != 0 || r.Failed < 10 || r.First == nil {
		t.Errorf("a port nobody listens on: %+v, %v", r, err)
	}
	if left := openFiles(t) - before; int64(left) >= r.Failed/2 {
		t.Errorf("%d sockets left open after %d refused connections", left, r.Failed)
	}
	// No route beyond the balancer leads anywhere for this service, and nothing says so.
	b := s.Balancers[0]
	dst := netlink.NewIPNet(netlab.VIP(4, 0).AsSlice())
	if err := b.Handle().RouteReplace(&netlink.Route{Dst: dst, Type: 6 /* blackhole */}); err != nil {
		t.Fatal(err)
	}
	hang := Load{Client: s.Client, VIPs: vips(4, 1), Timeout: 10 * time.Second}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := hang.CRR(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("interrupted load: %v", err)
	}
	if took := time.Since(start); took > 400*time.Millisecond {
		t.Errorf("stopped after %v", took)
	}
	if _, err := (Load{Client: s.Client, VIPs: vips(4, 1), Request: 3}).RR(t.Context(), 0); err == nil {
		t.Error("request of 3 bytes was accepted")
	}
}

// openFiles returns the number of descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func TestPool(t *testing.T) {
	s := loadPlace(t, 3)
	most, err := MaxPool()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenPool(t.Context(), Load{Client: s.Client, VIPs: vips(4, 1)}, 1<<24); !errors.Is(err, harness.ErrNotSupported) {
		t.Errorf("a pool beyond all limits: %v", err)
	}
	for _, tt := range []struct{ family, n int }{{4, min(10000, most/2*2)}, {6, 300}} {
		family, n := tt.family, tt.n
		l := Load{Client: s.Client, VIPs: vips(family, 2), Cgroup: s.Cgroup}
		start := time.Now()
		p, r, err := OpenPool(t.Context(), l, n)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		t.Logf("opened %d in %v", n, time.Since(start))
		if r.Alive != n || r.Broken != 0 || r.PerReal[0] != n/2 || r.PerReal[1] != n/2 {
			t.Errorf("IPv%d: opened %+v", family, r)
		}
		start = time.Now()
		if r, err = p.Probe(t.Context()); err != nil || r.Alive != n || r.Broken != 0 || r.Moved != 0 {
			t.Errorf("IPv%d: probed %+v, %v", family, r, err)
		}
		t.Logf("probed in %v", time.Since(start))
		// The first service goes to a real that knows none of its connections.
		routeVIP(t, s.Balancers[0], 0, s.Reals[2])
		r, err = p.Probe(t.Context())
		if err != nil || r.Alive != n/2 || r.Broken != n/2 || r.PerReal[1] != n/2 || len(r.BrokenPerReal) != 1 {
			t.Errorf("IPv%d: after the move %+v, %v", family, r, err)
		}
		if r, err = p.Probe(t.Context()); err != nil || r.Alive != n/2 || r.Broken != 0 {
			t.Errorf("IPv%d: broken ones were asked again: %+v, %v", family, r, err)
		}
		if open := p.open(); len(open) != n/2 {
			t.Errorf("IPv%d: %d connections left, want %d", family, len(open), n/2)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		routeVIP(t, s.Balancers[0], 0, s.Reals[0])
	}
}
