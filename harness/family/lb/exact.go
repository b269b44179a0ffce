// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/exact"
	"github.com/kxlab/kxlab/harness/packets"
)

// pauseTime is the least time that the kernel gets once flows are known. It is longer than flow tables wait before they write a new
// time into an entry (NAT_TOUCH in bpf/include/natflow.bpf.h, a tick in flow.bpf.h), so that all of them do when the flows come
// again.
const pauseTime = 1500 * time.Millisecond

// flowTick is the tick of bpf/include/flow.bpf.h (FLOW_TICK_SHIFT) on the monotonic clock, and tickMargin how long after the
// beginning of one the trial goes on: the coarse clock that the table reads lags by up to a tick of the kernel's timer, 4 ms.
const (
	flowTick   = 1 << 30 * time.Nanosecond
	tickMargin = 10 * time.Millisecond
)

// untilTick is how long to wait at the monotonic time now so that at least pauseTime goes by and a tick has just begun.
func untilTick(now time.Duration) time.Duration {
	ready := now + pauseTime - tickMargin
	return (ready+flowTick-1)/flowTick*flowTick + tickMargin - now
}

// exactPackets are sent in a trial of target exact: a number and not a time, as the thread that sends is alone on the CPU and
// nobody could stop it.
const exactPackets = 144*packets.LapPackets + 1

// alone warms up and measures with nothing else on the CPU: no other thread, not even of Go's runtime, whose supervisor wakes up
// 60 to 170 times in 20 ms and would cost up to 4 % there, never the same twice.
//
// Flows come once to be known, then the kernel gets time to finish what it put off, then they come once more: what a flow
// table does once a second or so, it does then: 300 instructions in xdp-nat, 55 in the tables of ipip and dsr. The second coming
// and the measurement lie in one tick of the tables: a tick that ended between them made every flow write its time once more, in
// the first 4,096 packets of two seeds of five.
func (p *path) measureAlone(ctx context.Context, warm uint64) (harness.Result, error) {
	if err := p.warm(ctx, warm, 0); err != nil {
		return harness.Result{}, err
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return harness.Result{}, fmt.Errorf("read monotonic clock: %w", err)
	}
	time.Sleep(untilTick(time.Duration(now.Nano())))
	if err := p.warm(ctx, warm, 0); err != nil {
		return harness.Result{}, err
	}
	return p.measure(ctx, func() (packets.Sent, error) { return p.generator.Run(ctx, packetCPU, exactPackets) })
}

// lapRate is the rate of the middle half of the laps, by their times, and a series of all. The timer's tick, every 4 ms, makes
// the generator give 64 frames back and fill new ones, 300,000 instructions: laps are so short that few of them have one.
func lapRate(laps []time.Duration) (float64, []harness.Series) {
	s := harness.Series{Name: "laps", Unit: "sec", Notes: fmt.Sprintf("%d packets each", packets.LapPackets)}
	for _, l := range laps {
		s.Y = append(s.Y, l.Seconds())
	}
	sorted := slices.Sorted(slices.Values(s.Y))
	middle := sorted[len(sorted)/4 : len(sorted)-len(sorted)/4]
	var sum float64
	for _, y := range middle {
		sum += y
	}
	return packets.LapPackets * float64(len(middle)) / sum, []harness.Series{s}
}

// exactChanges is how many changes target exact measures at least.
const exactChanges = 5

// A watch measures time: on target exact without what the CPU was idle for, so that its nanoseconds are instructions.
type stopwatch struct {
	start  time.Time
	idle   *exact.IdleClock // nil: idle time counts
	before time.Duration
}

func startStopwatch(counting bool) (*stopwatch, error) {
	w := &stopwatch{}
	if counting && runtime.NumCPU() == 1 {
		var err error
		if w.idle, err = exact.OpenIdleClock(); err != nil {
			return nil, err
		}
		if w.before, err = w.idle.Total(); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	w.start = time.Now()
	return w, nil
}

// busy is the time since the start.
func (w *stopwatch) busy() (time.Duration, error) {
	took := time.Since(w.start)
	if w.idle == nil {
		return took, nil
	}
	now, err := w.idle.Total()
	return took - (now - w.before), err
}

// Close gives up what it counts with. A second call does nothing.
func (w *stopwatch) Close() error {
	if w.idle == nil {
		return nil
	}
	defer func() { w.idle = nil }()
	return w.idle.Close()
}

// counted adds to a result of target exact the same costs as instructions: there a nanosecond is one, of whatever runs on
// the machine's only CPU, and idle time none as long as something is under way. Of exchanges it is the median one's: what
// the kernel does beside them by itself, every now and then for 20 ms, would make a mean a matter of chance.
func addInstructions(r harness.Result) harness.Result {
	if r.Invalid != "" {
		return r
	}
	const second = 1e9 // instructions
	has := map[string]float64{}
	for _, m := range r.Metrics {
		has[m.Unit] = m.Value
	}
	add := func(unit string, value float64) {
		r.Metrics = append(r.Metrics, harness.Metric{Unit: unit, Value: value})
	}
	for _, m := range r.Metrics {
		if m.Value == 0 && m.Unit != "broken/op" {
			continue
		}
		switch m.Unit {
		case "pkt/s":
			if cpu, paced := has["cpu-ns/pkt"]; paced {
				add("insn/pkt", cpu)
			} else {
				add("insn/pkt", second/m.Value)
			}
		case "sec/pkt":
			add("insn/pkt", second*m.Value)
		case "conn/s":
			add("insn/conn", second*has["p50-sec"])
		case "req/s":
			add("insn/req", second*has["p50-sec"])
		case "sec/update":
			add("insn/update", second*m.Value)
		case "sec/sync":
			add("insn/sync", second*m.Value)
		case "broken/op": // of churn: from the first connection to the last probe, a connection
			add("insn/op", float64(r.Measured)/float64(max(r.Iterations, 1)))
		}
	}
	return r
}

// cpuOr is the CPU with that number, or the last one of a smaller machine, such as a guest with one.
func cpuOr(cpu int) int { return min(cpu, runtime.NumCPU()-1) }
