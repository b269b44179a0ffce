// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
)

func TestCostsAreCounted(t *testing.T) {
	for _, c := range []struct {
		name string
		in   harness.Result
		want []harness.Metric // beside those that were there
	}{
		{"flat out", harness.Result{Metrics: []harness.Metric{{Unit: "pkt/s", Value: 1e6}}}, []harness.Metric{{Unit: "insn/pkt", Value: 1000}}},
		{"at a rate, the thread's own", harness.Result{Metrics: []harness.Metric{{Unit: "pkt/s", Value: 1e4}, {Unit: "cpu-ns/pkt", Value: 700}}},
			[]harness.Metric{{Unit: "insn/pkt", Value: 700}}},
		{"changes", harness.Result{Metrics: []harness.Metric{{Unit: "sec/update", Value: 1e-3}, {Unit: "sec/sync", Value: 1}}},
			[]harness.Metric{{Unit: "insn/update", Value: 1e6}, {Unit: "insn/sync", Value: 1e9}}},
		{"churn", harness.Result{Iterations: 2, Measured: 400, Metrics: []harness.Metric{{Unit: "broken/op"}, {Unit: "moved-share"}}},
			[]harness.Metric{{Unit: "insn/op", Value: 200}}},
		{"latencies stay times", harness.Result{Metrics: []harness.Metric{{Unit: "p50-sec", Value: 1}}}, nil},
		{"nothing counts of what is invalid", harness.Result{Invalid: "lost", Metrics: []harness.Metric{{Unit: "pkt/s", Value: 1}}}, nil},
	} {
		got := addInstructions(c.in).Metrics
		if diff := cmp.Diff(append(append([]harness.Metric(nil), c.in.Metrics...), c.want...), got); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

// TestUntilTick: the wait is long enough for every table, and ends just after a flow table's tick has begun, whatever the time.
func TestUntilTick(t *testing.T) {
	for now := time.Duration(0); now < 4*flowTick; now += 7 * time.Millisecond {
		wait := untilTick(now)
		if wait < pauseTime || wait > pauseTime+flowTick {
			t.Errorf("at %v: waits %v", now, wait)
		}
		if into := (now + wait) % flowTick; into != tickMargin {
			t.Errorf("at %v: goes on %v into a tick, want %v", now, into, tickMargin)
		}
	}
}
