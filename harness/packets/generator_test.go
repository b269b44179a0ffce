// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"math"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

func TestEveryPacketArrivesAtItsReal(t *testing.T) {
	const packets = 1 << 20
	b := newBalancer(t)
	last := map[int]int16{4: 29, 6: 37}
	sink := newSink(t, b, Track, SinkOptions{})
	for _, tt := range []struct {
		name   string
		stream Stream
	}{
		{"one flow", udp4(1)},
		{"some flows", udp4(4096)},
		{"a million flows", udp4(1 << 20)},
		{"TCP", udp4(4096).through(4, harness.TCP)},
		{"UDP over IPv6", udp4(4096).through(6, harness.UDP)},
		{"TCP over IPv6", udp4(4096).through(6, harness.TCP)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			attach := spread(t, last[tt.stream.Family])
			detach := attachFor(t, b, attach)
			defer detach()
			if err := sink.reset(); err != nil {
				t.Fatal(err)
			}
			g := newGenerator(t, b, tt.stream)
			before := look(t, b)
			sent, err := g.Run(t.Context(), 0, packets)
			if err != nil {
				t.Fatal(err)
			}
			c := arrived(t, sink)
			a := NewAccount(sent, c.Total(), before, look(t, b))
			if sent.Packets != packets || a.Verdict() != "" || len(a.Lost) != 0 {
				t.Errorf("%v (%s)", a, a.Verdict())
			}
			if want := uint64(packets * tt.stream.Size); c.Bytes != want {
				t.Errorf("%d bytes arrived, want %d", c.Bytes, want)
			}
			want := make([]uint64, 4)
			for _, f := range tt.stream.packets(packets) {
				want[f&3]++
			}
			if tt.stream.Flows == 1 {
				want = want[:1]
			}
			if diff := cmp.Diff(want, c.Reals); diff != "" || c.Other != 0 {
				t.Errorf("packets a real (-want +got), %d others:\n%s", c.Other, diff)
			}
			m, err := sink.countMoves()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(moves{Seen: uint64(tt.stream.Flows)}, m); diff != "" {
				t.Errorf("tracked (-want +got):\n%s", diff)
			}
			first, _, err := sink.readFlows()
			if err != nil {
				t.Fatal(err)
			}
			for f, real := range first[:tt.stream.Flows] {
				if real != f&3 {
					t.Fatalf("flow %d went to real %d, want %d", f, real, f&3)
				}
			}
		})
	}
}

// attachFor is attach until the returned function is called.
func attachFor(t testing.TB, b *netlab.Host, p *ebpf.Program) func() {
	t.Helper()
	var l link.Link
	err := b.Do(func() (err error) {
		l, err = link.AttachXDP(link.XDPOptions{Program: p, Interface: b.Ifindex, Flags: link.XDPDriverMode})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = l.Close() }
}

func TestFlowsThatMoveAreSeen(t *testing.T) {
	b := newBalancer(t)
	sink := newSink(t, b, Track, SinkOptions{})
	g := newGenerator(t, b, udp4(1000))
	for _, offset := range []int16{29, 28} { // by the source address, then by its third byte: all to real 0 or 1 or 2 or 3
		detach := attachFor(t, b, spread(t, offset))
		if _, err := g.Run(t.Context(), 0, 5000); err != nil {
			t.Fatal(err)
		}
		arrived(t, sink)
		detach()
	}
	m, err := sink.countMoves()
	if err != nil {
		t.Fatal(err)
	}
	want := moves{Seen: 1000}
	for f := range 1000 {
		if f&3 != f>>8&3 {
			want.Flows++
			want.Packets += 5
		}
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("moved (-want +got):\n%s", diff)
	}
}

func TestSYNsOpenNewFlows(t *testing.T) {
	const packets = 200000
	b := newBalancer(t)
	attach(t, b, spread(t, 29))
	sink := newSink(t, b, Track, SinkOptions{Flows: 100})
	for _, share := range []float64{0, 0.1, 0.5, 1} {
		if err := sink.reset(); err != nil {
			t.Fatal(err)
		}
		s := udp4(100).through(4, harness.TCP)
		s.SYNShare = share
		sent, err := newGenerator(t, b, s).Run(t.Context(), 0, packets)
		if err != nil {
			t.Fatal(err)
		}
		arrived(t, sink)
		m, err := sink.countMoves()
		if err != nil {
			t.Fatal(err)
		}
		if m.Unknown != sent.SYNs || sent.Packets != packets {
			t.Errorf("share %v: %d SYNs sent, %d packets of new flows arrived", share, sent.SYNs, m.Unknown)
		}
		got := float64(sent.SYNs) / packets
		if tolerance := 5 * math.Sqrt(share*(1-share)/packets); math.Abs(got-share) > tolerance {
			t.Errorf("share of SYNs %v, want %v within %v", got, share, tolerance)
		}
	}
}

func TestFreshFlowsNeverRecur(t *testing.T) {
	const packets = 300000
	b := newBalancer(t)
	attach(t, b, spread(t, 29))
	s := udp4(0)
	s.Fresh, s.FirstFlow = true, 5000
	sink := newSink(t, b, Track, SinkOptions{FirstFlow: 5000, Flows: 2 * packets})
	g := newGenerator(t, b, s)
	for range 2 { // the second run goes on where the first one ended
		if _, err := g.Run(t.Context(), 0, packets); err != nil {
			t.Fatal(err)
		}
	}
	arrived(t, sink)
	m, err := sink.countMoves()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(moves{Seen: 2 * packets}, m); diff != "" {
		t.Errorf("tracked (-want +got):\n%s", diff)
	}
}
