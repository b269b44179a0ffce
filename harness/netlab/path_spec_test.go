// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
)

func TestPathCounts(t *testing.T) {
	p := Path{Rate: 20e6, RTT: 40 * time.Millisecond, Buffer: 2}
	if got := p.bdp(); got != 100_000 {
		t.Errorf("BDP of %v bytes, want 100000", got)
	}
	if got := p.packets(); got != 132 {
		t.Errorf("room for %d packets, want 132", got)
	}
	// Half a BDP is under way in the direction of the data: 33.02 packets.
	if got := p.limit(); got != 34+132 {
		t.Errorf("limit of %d packets, want 166", got)
	}
}

func TestPathRefuses(t *testing.T) {
	good := Path{Rate: 20e6, RTT: 40 * time.Millisecond, Buffer: 1}
	for _, tt := range []struct {
		name   string
		change func(*Path)
		want   string
	}{
		{"buffer", func(p *Path) { p.Buffer = 0.01 }, "less than one packet"},
		{"loss", func(p *Path) { p.Loss = 1.5 }, "share from 0 to 1"},
		{"rate", func(p *Path) { p.Rate = -1 }, "rate"},
		{"round trip", func(p *Path) { p.RTT = time.Hour }, "round trip"},
		{"burst", func(p *Path) { p.Loss, p.Burst = 1, 3 }, "bursts"},
		{"AQM", func(p *Path) { p.AQM = "blue" }, "unknown AQM"},
		{"far", func(p *Path) { p.Far = make([]time.Duration, 9) }, "further round trips"},
	} {
		p := good
		tt.change(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.want)
		}
	}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

// The share of losses in Gilbert's model is what was asked for: toBad/(toBad+toGood).
func TestPathGilbert(t *testing.T) {
	for _, p := range []Path{{Loss: 0.01, Burst: 4}, {Loss: 0.2, Burst: 10}, {Loss: 0.001, Burst: 1.5}} {
		toBad, toGood := p.gilbert()
		if share := toBad / (toBad + toGood); math.Abs(share-p.Loss) > 1e-12 || math.Abs(1/toGood-p.Burst) > 1e-12 {
			t.Errorf("loss %g in runs of %g: the model gives %g in runs of %g", p.Loss, p.Burst, share, 1/toGood)
		}
	}
}

// A chain carries nothing of the emulator's if there is none, and leaves nothing behind.
func TestChain(t *testing.T) {
	needRoot(t)
	c, err := NewChain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if left, err := Clean(t.Context()); err != nil || len(left) > 0 {
			t.Errorf("left: %v (%v)", left, err)
		}
	})
	if err := c.Shape(Path{}); err != nil {
		t.Fatal(err)
	}
	for _, a := range c.ServerAddrs {
		if err := c.Client.Do(func() error { return reach(a) }); err != nil {
			t.Errorf("client to %s: %v", a, err)
		}
	}
	if err := c.Server.Do(func() error { return reach(c.ClientAddr) }); err != nil {
		t.Errorf("server to client: %v", err)
	}
	err = c.Shape(Path{Rate: 20e6, RTT: 40 * time.Millisecond, Buffer: 1})
	if err != nil && !errors.Is(err, harness.ErrNotSupported) {
		t.Errorf("shape: %v", err)
	}
}
