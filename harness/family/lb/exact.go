// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/exact"
	"github.com/kxlab/kxlab/harness/mark"
	"github.com/kxlab/kxlab/harness/packets"
	"github.com/kxlab/kxlab/harness/stats"
)

// pauseTime is the least pause after the first packets of the flows. The pause is longer than the interval at which
// flow tables refresh an entry's time (NAT_TOUCH in bpf/include/natflow.bpf.h, a tick in flow.bpf.h), so the second
// round of packets refreshes every entry.
const pauseTime = 1500 * time.Millisecond

// flowTick is the tick of bpf/include/flow.bpf.h (FLOW_TICK_SHIFT) on the monotonic clock. The trial continues
// tickMargin after the start of a tick: the coarse clock that the table reads lags by up to a tick of the kernel's
// timer, 4 ms.
const (
	flowTick   = 1 << 30 * time.Nanosecond
	tickMargin = 10 * time.Millisecond
)

// untilTick returns the wait from the monotonic time now to the first start of a tick after pauseTime.
func untilTick(now time.Duration) time.Duration {
	ready := now + pauseTime - tickMargin
	return (ready+flowTick-1)/flowTick*flowTick + tickMargin - now
}

// exactPackets is the number of packets in a trial on target exact. The trial has a number and no time limit, because
// the sending thread is alone on the CPU and no other thread could stop it.
const exactPackets = 144*packets.LapPackets + 1

// measureAlone warms up and measures with no other thread on the CPU, not even Go's system monitor (sysmon), whose
// wakeups vary between runs and would cost up to 4 %.
// The first round of packets fills the flow table. Then the kernel gets time for deferred work. The second round
// refreshes the entries, which a flow table does about once a second. The second round and the measurement lie in one
// tick of the tables; otherwise every flow would refresh its entry again within the measurement.
//
// Where instructions are counted, the window holds what the generator runs, in laps.
func (p *path) measureAlone(ctx context.Context, b harness.Budget, warm uint64) (harness.Result, error) {
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
	return p.measure(ctx, func() (packets.Transmission, error) {
		defer b.Window()()
		mark.Begin()
		defer exact.End(b.Counted, harness.CountedWindow{Unit: "insn/pkt", Amount: packets.LapPackets, Laps: true})
		return p.generator.Run(ctx, packetCPU, exactPackets)
	})
}

// lapRate returns the rate of the middle half of the laps, sorted by time, and a series of all laps. At each timer
// tick (4 ms) the generator frees 64 frames and fills new ones, which costs 300,000 instructions; laps are short, so
// few of them contain a tick.
func lapRate(laps []time.Duration) (float64, []harness.Series) {
	s := harness.Series{Name: "laps", Unit: "sec", Notes: fmt.Sprintf("%d packets each", packets.LapPackets)}
	for _, l := range laps {
		s.Y = append(s.Y, l.Seconds())
	}
	return packets.LapPackets / stats.InterquartileMean(s.Y), []harness.Series{s}
}

// exactChanges is the least number of changes on target exact.
const exactChanges = 5

// A stopwatch measures time. On target exact idle time of the CPU is excluded, so that nanoseconds are instructions.
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

// busy returns the time since the start, less idle time if that is excluded.
func (w *stopwatch) busy() (time.Duration, error) {
	took := time.Since(w.start)
	if w.idle == nil {
		return took, nil
	}
	now, err := w.idle.Total()
	return took - (now - w.before), err
}

// Close closes the idle clock. A second call does nothing.
func (w *stopwatch) Close() error {
	if w.idle == nil {
		return nil
	}
	defer func() { w.idle = nil }()
	return w.idle.Close()
}

// addInstructions adds the costs as instructions to a result of target exact, where one nanosecond is one instruction
// of the machine's only CPU. The cost of an exchange is the median: background work of the kernel, in rare bursts of
// 20 ms, would dominate the variance of a mean.
func addInstructions(r harness.Result) harness.Result {
	if r.Invalid != "" {
		return r
	}
	const second = 1e9 // instructions
	has := map[string]float64{}
	for _, m := range r.Metrics {
		has[m.Unit] = m.Value
	}
	for _, m := range r.Metrics {
		if m.Value == 0 && m.Unit != "broken/op" {
			continue
		}
		add := harness.Metric{Value: second * m.Value}
		switch m.Unit {
		case "pkt/s":
			add = harness.Metric{Unit: "insn/pkt", Value: second / m.Value}
			if cpu, paced := has["cpu-ns/pkt"]; paced {
				add.Value = cpu
			}
		case "sec/pkt":
			add.Unit = "insn/pkt"
		case "sec/update":
			add.Unit = "insn/update"
		case "sec/sync":
			add.Unit = "insn/sync"
		case "conn/s":
			add = harness.Metric{Unit: "insn/conn", Value: second * has["p50-sec"]}
		case "req/s":
			add = harness.Metric{Unit: "insn/req", Value: second * has["p50-sec"]}
		case "broken/op": // churn: from the first connection to the last probe, for each connection
			add = harness.Metric{Unit: "insn/op", Value: float64(r.Measured) / float64(max(r.Iterations, 1))}
		default:
			continue
		}
		r.Metrics = append(r.Metrics, add)
	}
	return r
}

// cpuOr returns cpu, or the last CPU of a smaller machine, such as a guest with one CPU.
func cpuOr(cpu int) int { return min(cpu, runtime.NumCPU()-1) }
