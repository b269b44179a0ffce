// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/harness/owner"
)

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
}

func newSegment(t testing.TB, opts Options, balancers int) *Segment {
	t.Helper()
	needRoot(t)
	start := time.Now()
	s, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		start := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("closed in %v", time.Since(start))
	})
	for range balancers {
		if _, err := s.AddBalancer(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("built in %v", time.Since(start))
	return s
}

// TestBalancerWithoutLink: a variant may have removed its link, or shrunk it so that it has no IPv6; others are added after it.
func TestBalancerWithoutLink(t *testing.T) {
	s := newSegment(t, Options{Reals: 1}, 2)
	for i, change := range []func(*Host, netlink.Link) error{
		func(h *Host, l netlink.Link) error { return h.handle.LinkDel(l) },
		func(h *Host, l netlink.Link) error { return h.handle.LinkSetMTU(l, 1000) },
	} {
		h := s.Balancers[i]
		l, err := h.handle.LinkByIndex(h.Ifindex)
		if err == nil {
			err = change(h, l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := s.AddBalancer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Do(func() error { return reach(b.Addr4.Addr()) }); err != nil {
		t.Error(err)
	}
}

func TestEverybodyKnowsEverybody(t *testing.T) {
	s := newSegment(t, Options{Reals: 3}, 3)
	for _, from := range s.hosts() {
		for _, to := range s.hosts() {
			for _, a := range []netip.Addr{to.Addr4.Addr(), to.Addr6.Addr()} {
				if err := from.Do(func() error { return reach(a) }); err != nil {
					t.Errorf("%s to %s, %s: %v", from.Name, to.Name, a, err)
				}
			}
		}
	}
}

// reach asks a port without a listener: a refusal shows that packets go and come.
func reach(a netip.Addr) error {
	c, err := net.DialTimeout("tcp", netip.AddrPortFrom(a, 9).String(), 5*time.Second)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err == nil {
		_ = c.Close()
	}
	return fmt.Errorf("want refusal, got %w", err)
}

// BenchmarkSegment builds and removes what one group of variants needs.
func BenchmarkSegment(b *testing.B) {
	needRoot(b)
	var build, remove time.Duration
	for b.Loop() {
		start := time.Now()
		s, err := New(b.Context(), Options{Reals: 8})
		if err != nil {
			b.Fatal(err)
		}
		for range 16 {
			if _, err := s.AddBalancer(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		middle := time.Now()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		build, remove = build+middle.Sub(start), remove+time.Since(middle)
	}
	b.ReportMetric(build.Seconds()/float64(b.N), "build-sec/op")
	b.ReportMetric(remove.Seconds()/float64(b.N), "remove-sec/op")
}

// TestNew wants wrong options refused before anything is made.
func TestNew(t *testing.T) {
	needRoot(t)
	for _, opts := range []Options{{Reals: -1}, {Reals: MaxReals + 1}, {ClientMTU: 1601}, {ClientMTU: 1000}} {
		if _, err := New(t.Context(), opts); err == nil {
			t.Errorf("%+v was accepted", opts)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(ctx, Options{Reals: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if n := count(traces(t), owner.Self()); n != 0 {
		t.Errorf("left: %q", traces(t))
	}
}

// TestTwoSegments builds two at once in one process, with the same addresses.
func TestTwoSegments(t *testing.T) {
	a, b := newSegment(t, Options{Reals: 1}, 1), newSegment(t, Options{Reals: 1}, 1)
	if a.Client.Name == b.Client.Name || a.Cgroup == b.Cgroup && a.Cgroup != "" {
		t.Errorf("both are called %s, %s", a.Client.Name, a.Cgroup)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Client.Do(func() error { return reach(b.Reals[0].Addr4.Addr()) }); err != nil {
		t.Errorf("the second died with the first: %v", err)
	}
}

// stripped returns how many outer IPv4 and outer IPv6 headers the reals have removed.
func (s *Segment) stripped() (v4, v6 uint64, err error) {
	var counts [2]uint64
	for key := range counts {
		var perCPU []uint64
		if err := s.decap.Maps["stripped"].Lookup(uint32(key), &perCPU); err != nil {
			return 0, 0, fmt.Errorf("read stripped packets: %w", err)
		}
		for _, n := range perCPU {
			counts[key] += n
		}
	}
	return counts[0], counts[1], nil
}
