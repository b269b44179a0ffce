// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/bpf/abi"
)

func TestPacedRate(t *testing.T) {
	b := newBalancer(t)
	attach(t, b, spread(t, 29))
	sink := newSink(t, b, Count, SinkOptions{})
	for _, rate := range []float64{10e3, 100e3, 1e6} {
		if err := sink.reset(); err != nil {
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
		cancelled, finished, packets := time.Hour, time.Hour, uint64(0)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			start := time.Now()
			sent, err := g.For(ctx, 0, time.Hour)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: cancelled run: %+v, %v", name, sent, err)
			}
			packets += sent.Packets
			cancelled = min(cancelled, time.Since(start)-200*time.Millisecond)
			start = time.Now()
			if _, err := g.For(t.Context(), 0, 300*time.Millisecond); err != nil {
				t.Errorf("%s: run after a cancelled one: %v", name, err)
			}
			finished = min(finished, time.Since(start))
		}
		t.Logf("%s: ended %v after cancellation, run of 300 ms took %v", name, cancelled, finished)
		if packets == 0 {
			t.Errorf("%s: cancelled runs say that they sent nothing", name)
		}
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
	if !errors.Is(err, errNoReceiver) || sent.Packets != 10000 || sent.Accepted != 0 {
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

// TestPacedIntervals: packets at a fixed rate do not leave at even intervals, with which a timer of the receiver's kernel would keep step,
// and the same seed gives the same intervals.
func TestPacedIntervals(t *testing.T) {
	b := newBalancer(t)
	attach(t, b, spread(t, 29))
	newSink(t, b, Count, SinkOptions{})
	waits := func(seed uint64) (all [8]uint64) {
		s := udp4(64)
		s.Rate, s.Seed = 100e3, seed
		g := newGenerator(t, b, s)
		for i := range all {
			if _, err := g.Run(t.Context(), 0, 1); err != nil {
				t.Fatal(err)
			}
			state, err := g.read()
			if err != nil {
				t.Fatal(err)
			}
			all[i] = state.Wait
		}
		return all
	}
	one := waits(1)
	if again := waits(1); again != one {
		t.Errorf("seed 1 gives %v, then %v", one, again)
	}
	if other := waits(2); other == one {
		t.Errorf("seeds 1 and 2 give %v", one)
	}
	low, high := slices.Min(one[:]), slices.Max(one[:])
	if high >= 1<<abi.TrafficQ || high-low < 1<<(abi.TrafficQ-2) {
		t.Errorf("waits from %d to %d, want a wide range below %d", low, high, uint64(1)<<abi.TrafficQ)
	}
}
