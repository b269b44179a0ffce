// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// quietTime is how long target exact lets the kernel finish what it put off before a trial.
const quietTime = 200 * time.Millisecond

// quieten sees to it that a trial of target exact has the only CPU to itself: what was put off is done before, by this
// process (garbage) and by the kernel. Waiting for it is free, and what came in between would be counted. The function
// that it returns ends the quiet.
func quieten() (end func()) {
	runtime.GC()
	before := debug.SetGCPercent(-1)
	time.Sleep(quietTime)
	return func() { debug.SetGCPercent(before) }
}

// counted adds to a result of target exact the same costs as instructions: there a nanosecond is one, of whatever runs on
// the machine's only CPU, and idle time none as long as something is under way.
func counted(r harness.Result) harness.Result {
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
			add("insn/conn", second/m.Value)
		case "req/s":
			add("insn/req", second/m.Value)
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
