// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
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

// reach asks a port that nobody listens on: a refusal shows that packets go and come.
func reach(a netip.Addr) error {
	c, err := net.DialTimeout("tcp", netip.AddrPortFrom(a, 9).String(), time.Second)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err == nil {
		_ = c.Close()
	}
	return fmt.Errorf("want refusal, got %w", err)
}
