// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/packets"
	"github.com/kxlab/kxlab/harness/sys"
)

const (
	// packetCPU generates, carries and judges the packets; changeCPU replaces. On a machine with one CPU both are that.
	packetCPU = 0
	changeCPU = 1
	// hostCall and guestCall are the packets of one call of the generator: where the kernel preempts lazily, a replacement that waits for
	// RCU waits for its end. Between two calls the generator pauses for 24 ms on a host.
	hostCall  = 1 << 20
	guestCall = 4096
	// frameSize is the length of a frame, bytes.
	frameSize = 80
	// settle is the time after which packets in flight are lost.
	settle = 20 * time.Millisecond
	// patience is the time for a packet of a version to come.
	patience = 250 * time.Millisecond
	// look is the interval of looks at the sink.
	look = 20 * time.Microsecond
)

// A source sends numbered packets to the destination that a member's host forwards.
type source interface {
	// Run sends a number of packets from one CPU. If ctx ends first, it returns what was sent until then with ctx's error.
	Run(ctx context.Context, cpu int, packets uint64) (packets.Transmission, error)
	Close() error
}

// A load is numbered packets through a host or from a socket there, and the sink behind it.
type load struct {
	host   *netlab.Host
	source source
	sink   *sink
	gate   uint64 // packets of the gate
	exact  bool
	none   bool // replaces nothing
}

func (s *stage) openLoad(m *member) (_ *load, err error) {
	l := &load{host: m.host, gate: gatePackets, exact: s.exact, none: m.none}
	if l.sink, err = openSink(m.host.Port, m.clock); err != nil {
		return nil, err
	}
	if l.source, err = s.openSource(m); err != nil {
		return nil, errors.Join(err, l.sink.close())
	}
	if _, ok := l.source.(*talker); ok {
		l.gate = gateTalk
	}
	if s.exact {
		l.gate = gateExact
	}
	return l, nil
}

// openSource opens what sends a member's packets.
func (s *stage) openSource(m *member) (source, error) {
	if p, ok := m.way.(*programWay); ok && p.talks() {
		return &talker{host: m.host, cgroup: m.cgroup, shares: s.exact || runtime.NumCPU() == 1}, nil
	}
	call := hostCall
	if s.guest {
		call = guestCall
	}
	return packets.NewGenerator(m.host.Port, packets.Stream{
		Family: 4, Proto: harness.UDP, VIP: netip.AddrPortFrom(netlab.VIP(4, 0), abi.SwapPort), Flows: 1, Size: frameSize,
		SrcMAC: s.segment.Client.MAC, DstMAC: m.host.MAC, Numbered: true, CallPackets: call,
	})
}

func (l *load) close() error { return errors.Join(l.source.Close(), l.sink.close()) }

// The packets of the gate: enough to find a version that drops one in a million, but on target exact and from a socket, which is slower.
const (
	gatePackets = 1_100_000
	gateTalk    = 200_000
	gateExact   = 20_000
)

// steady returns an error unless each packet is seen once, by version 1, and comes in order.
func (l *load) steady(ctx context.Context) error {
	t, _, err := l.during(ctx, l.gate, nil)
	if err != nil {
		return err
	}
	if why := t.fault(1); why != "" {
		return errors.New(why)
	}
	return nil
}

// nonePackets is the number of packets in the place of a replacement, where nothing is replaced.
const nonePackets = 10_000

// measure measures replacements, or as long a load without them.
func (l *load) measure(ctx context.Context, w way, n int) (r harness.Result, err error) {
	var t tally
	var ran time.Duration
	if l.none {
		t, ran, err = l.during(ctx, uint64(n)*nonePackets, nil)
	} else {
		t, ran, err = l.replace(ctx, w, n)
	}
	if err != nil {
		return r, err
	}
	t.oneClock = l.exact
	r = t.result()
	r.Measured = ran
	r.Metrics = append([]harness.Metric{{Unit: "pkt/s", Value: float64(t.count.Packets) / ran.Seconds()}}, r.Metrics...)
	return r, nil
}

// during sends packets while f runs on a thread of its own in the host's namespace, f beginning with the first packet at the sink.
// Without f it sends limit packets. The time returned is that in which the generator ran.
func (l *load) during(ctx context.Context, limit uint64, f func(ctx context.Context) error) (t tally, ran time.Duration, err error) {
	before, err := packets.TakeSnapshot(l.host, nil)
	if err != nil {
		return t, 0, err
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	if f != nil {
		go func() {
			defer stop()
			sys.OnThread(func() {
				done <- l.host.Do(func() error {
					if runtime.NumCPU() > 1 {
						if err := sys.Pin(0, changeCPU); err != nil {
							return err
						}
					}
					if err := l.first(sending); err != nil {
						return err
					}
					return f(sending)
				})
			})
		}()
	} else {
		done <- nil
	}
	sent, err := l.source.Run(sending, packetCPU, limit)
	stop()
	err = errors.Join(endedByStop(ctx, err), endedByStop(ctx, <-done))
	if err != nil {
		return t, 0, err
	}
	time.Sleep(settle)
	t.sent = sent.Packets
	after, err := packets.TakeSnapshot(l.host, nil)
	if err != nil {
		return t, 0, err
	}
	if t.count, err = l.sink.count(); err == nil {
		t.seen, err = l.sink.seen()
	}
	t.places = packets.NewAccount(sent, t.count.Packets, before, after).Lost
	return t, sent.Elapsed - sent.Missed, err
}

// endedByStop returns nil for the error of a side that was stopped because the other was done.
func endedByStop(ctx context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// first waits for the first packet.
func (l *load) first(ctx context.Context) error {
	_, err := l.await(ctx, 2*time.Second, func(c abi.SwapCount) bool { return c.Packets > 0 })
	return err
}

// await waits until the counters of the sink are as wanted, at most for a time, and reports whether they are.
func (l *load) await(ctx context.Context, most time.Duration, wanted func(abi.SwapCount) bool) (bool, error) {
	for begin := time.Now(); ; time.Sleep(look) {
		c, err := l.sink.count()
		if err != nil || wanted(c) {
			return err == nil, err
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if time.Since(begin) > most {
			return false, nil
		}
	}
}

// replace makes n replacements under load, the first of them to version 2. Each begins when a packet of the version before has come.
func (l *load) replace(ctx context.Context, w way, n int) (t tally, ran time.Duration, err error) {
	var changes []change
	t, ran, err = l.during(ctx, math.MaxUint64, func(ctx context.Context) (err error) {
		changes, err = replaceEach(ctx, w, n, func(ctx context.Context, g uint32) error {
			return shows(ctx, g, "packets", inFlight, func() (bool, uint64, error) {
				c, err := l.sink.count()
				return c.Generation == uint64(g), c.Packets, err
			})
		})
		return err
	})
	t.changes = changes
	return t, ran, err
}

// replaceEach makes n replacements, the first of them to version 2, each when the version before has shown.
func replaceEach(ctx context.Context, w way, n int, show func(ctx context.Context, g uint32) error) (changes []change, err error) {
	for g := uint32(2); g < uint32(n)+2; g++ {
		if err := w.Load(ctx, g); err != nil {
			return changes, err
		}
		c := change{generation: g, began: monotonic()}
		if err := w.Replace(ctx); err != nil {
			return changes, fmt.Errorf("replacement %d: %w", g-1, err)
		}
		c.took = time.Duration(monotonic() - c.began)
		changes = append(changes, c)
		if err := show(ctx, g); err != nil {
			return changes, err
		}
	}
	return changes, nil
}

// monotonic is the clock of the sink.
func monotonic() uint64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // it exists
	return uint64(ts.Nano())
}
