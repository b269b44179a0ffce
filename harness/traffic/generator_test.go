// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"errors"
	"math"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// newBalancer builds a segment with one balancer that has no program yet.
func newBalancer(t testing.TB) *netlab.Host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	s, err := netlab.New(t.Context(), netlab.Options{Reals: 1})
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
	return b
}

// attach puts a program on the balancer's own link.
func attach(t testing.TB, b *netlab.Host, p *ebpf.Program) {
	t.Helper()
	err := b.Do(func() error {
		l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: b.Ifindex, Flags: link.XDPDriverMode})
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// spread returns a program that sends every frame back to one of four reals, by the last byte at an offset.
func spread(t testing.TB, offset int16) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, 64),
		asm.Mov.Imm(asm.R0, 1), // XDP_DROP
		asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R5, asm.R2, offset, asm.Byte),
		asm.And.Imm(asm.R5, 3),
		asm.StoreMem(asm.R2, 5, asm.R5, asm.Byte),
		asm.Mov.Imm(asm.R0, 3), // XDP_TX
		asm.Return().WithSymbol("out"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func udp4(flows int) Stream {
	return Stream{
		Family: 4, Proto: harness.UDP, VIP: vip(4, 0), Flows: flows, Size: 64, Seed: 7,
		SrcMAC: netlab.MAC(netlab.RoleClient, 0), DstMAC: netlab.MAC(netlab.RoleReal, 0),
	}
}

// through returns s over a family and a protocol.
func (s Stream) through(family int, proto harness.Proto) Stream {
	s.Family, s.Proto, s.VIP = family, proto, vip(family, 0)
	s.Size = max(s.Size, s.headers())
	return s
}

func newGenerator(t testing.TB, b *netlab.Host, s Stream) *Generator {
	t.Helper()
	g, err := NewGenerator(b.Port, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func newSink(t testing.TB, b *netlab.Host, m Mode, opts SinkOptions) *Sink {
	t.Helper()
	s, err := OpenSink(b.Port, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Mode(m); err != nil {
		t.Fatal(err)
	}
	return s
}

func counts(t testing.TB, s *Sink) Counts {
	t.Helper()
	c, err := s.Counts()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func look(t testing.TB, b *netlab.Host) Snapshot {
	t.Helper()
	s, err := Look(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// arrived waits until nothing more comes.
func arrived(t testing.TB, s *Sink) Counts {
	t.Helper()
	c := counts(t, s)
	for {
		time.Sleep(20 * time.Millisecond)
		next := counts(t, s)
		if next.Total() == c.Total() {
			return c
		}
		c = next
	}
}

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
			if err := sink.Reset(); err != nil {
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
			if sent.Packets != packets || a.Verdict() != "" || a.Located() != 0 {
				t.Errorf("%v (%s)", a, a.Verdict())
			}
			if want := uint64(packets * tt.stream.Size); c.Bytes != want {
				t.Errorf("%d bytes arrived, want %d", c.Bytes, want)
			}
			want := make([]uint64, 4)
			for _, f := range tt.stream.Packets(packets) {
				want[f&3]++
			}
			if tt.stream.Flows == 1 {
				want = want[:1]
			}
			if diff := cmp.Diff(want, c.Reals); diff != "" || c.Other != 0 {
				t.Errorf("packets a real (-want +got), %d others:\n%s", c.Other, diff)
			}
			m, err := sink.Moved()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Moved{Seen: uint64(tt.stream.Flows)}, m); diff != "" {
				t.Errorf("tracked (-want +got):\n%s", diff)
			}
			first, _, err := sink.Flows()
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
	m, err := sink.Moved()
	if err != nil {
		t.Fatal(err)
	}
	want := Moved{Seen: 1000}
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
		if err := sink.Reset(); err != nil {
			t.Fatal(err)
		}
		s := udp4(100).through(4, harness.TCP)
		s.SYNShare = share
		sent, err := newGenerator(t, b, s).Run(t.Context(), 0, packets)
		if err != nil {
			t.Fatal(err)
		}
		arrived(t, sink)
		m, err := sink.Moved()
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
	m, err := sink.Moved()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Moved{Seen: 2 * packets}, m); diff != "" {
		t.Errorf("tracked (-want +got):\n%s", diff)
	}
}

func TestPacedRate(t *testing.T) {
	b := newBalancer(t)
	attach(t, b, spread(t, 29))
	sink := newSink(t, b, Count, SinkOptions{})
	for _, rate := range []float64{10e3, 100e3, 1e6} {
		if err := sink.Reset(); err != nil {
			t.Fatal(err)
		}
		s := udp4(64)
		s.Rate = rate
		sent, err := newGenerator(t, b, s).For(t.Context(), 0, 300*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		// A busy machine may keep the generator from its CPU, never let it be too fast; at the end up to 50 ms may
		// still be due, the most that the pacer makes up for.
		want := rate * (sent.Elapsed - sent.Missed).Seconds()
		if got := float64(sent.Packets); got > 1.01*want+1 || got < 0.99*want-0.05*rate-1 {
			t.Errorf("rate %v: %v packets in %v, %v missed", rate, got, sent.Elapsed, sent.Missed)
		}
		if got := arrived(t, sink).Total(); got != sent.Packets {
			t.Errorf("rate %v: %d packets arrived of %d", rate, got, sent.Packets)
		}
	}
}

func TestRunsEndSoon(t *testing.T) {
	b := newBalancer(t)
	attach(t, b, spread(t, 29))
	newSink(t, b, Count, SinkOptions{})
	slow := udp4(64)
	slow.Rate = 10e3
	for name, s := range map[string]Stream{"flat out": udp4(64), "paced": slow} {
		g := newGenerator(t, b, s)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		// The best of three: a busy machine may hold up any one of them.
		cancelled, finished := time.Hour, time.Hour
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			start := time.Now()
			sent, err := g.For(ctx, 0, time.Hour)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || sent.Packets == 0 {
				t.Errorf("%s: cancelled run: %+v, %v", name, sent, err)
			}
			cancelled = min(cancelled, time.Since(start)-200*time.Millisecond)
			start = time.Now()
			if _, err := g.For(t.Context(), 0, 300*time.Millisecond); err != nil {
				t.Errorf("%s: run after a cancelled one: %v", name, err)
			}
			finished = min(finished, time.Since(start))
		}
		t.Logf("%s: ended %v after cancellation, run of 300 ms took %v", name, cancelled, finished)
		if cancelled > 800*time.Millisecond || finished < 300*time.Millisecond || finished > 1300*time.Millisecond {
			t.Errorf("%s: ended %v after cancellation, run of 300 ms took %v", name, cancelled, finished)
		}
		if _, err := g.For(over, 0, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: run under a context that is over: %v", name, err)
		}
	}
}

func TestNobodyReceives(t *testing.T) {
	b := newBalancer(t) // without a program on its link
	sink := newSink(t, b, Count, SinkOptions{})
	before := look(t, b)
	sent, err := newGenerator(t, b, udp4(1)).Run(t.Context(), 0, 10000)
	if !errors.Is(err, ErrNoReceiver) || sent.Packets != 10000 || sent.Taken != 0 {
		t.Errorf("run into the void: %+v, %v", sent, err)
	}
	a := NewAccount(sent, counts(t, sink).Total(), before, look(t, b))
	want := Account{Sent: 10000, Lost: []Loss{{"generator: redirect to a link without receiver", 10000}}}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	if a.Verdict() == "" {
		t.Error("a trial in which nothing arrived counts")
	}
}

func TestDropsOfAProgramAreLocated(t *testing.T) {
	b := newBalancer(t)
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, 1), asm.Return(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	attach(t, b, p)
	before := look(t, b)
	sent, err := newGenerator(t, b, udp4(1)).Run(t.Context(), 0, 10000)
	if err != nil {
		t.Fatal(err)
	}
	a := NewAccount(sent, 0, before, look(t, b))
	want := Account{Sent: 10000, Lost: []Loss{{"program: of XDP, without a count of its own", 10000}}}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
}

func TestSeveralCPUs(t *testing.T) {
	b := newBalancer(t)
	cpus, err := ebpf.PossibleCPU()
	if err != nil || cpus < 2 {
		t.Skipf("%d CPUs", cpus)
	}
	attach(t, b, spread(t, 29))
	sink := newSink(t, b, Track, SinkOptions{Flows: 1000})
	s := udp4(1000)
	s.Rate = 100e3
	parts, err := s.Split(2)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := Together(t.Context(), []int{0, 1}, 200*time.Millisecond, newGenerator(t, b, parts[0]), newGenerator(t, b, parts[1]))
	if err != nil {
		t.Fatal(err)
	}
	c := arrived(t, sink)
	m, err := sink.Moved()
	if err != nil {
		t.Fatal(err)
	}
	if c.Total() == 0 || c.Total() > sent.Packets || m.Seen != 1000 || m.Unknown != 0 {
		t.Errorf("%+v sent, %d arrived, %+v", sent, c.Total(), m)
	}
}
