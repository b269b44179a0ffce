// SPDX-License-Identifier: Apache-2.0

package unit

import "testing"

// TestColumn: two shares of one table have names of their own.
func TestColumn(t *testing.T) {
	for unit, want := range map[string]string{"p10-share": "p10 %", "retrans-share": "retrans %", "share": "%", "p50-sec": "p50 ms", "pkt/s": "pkt/s"} {
		if got := ScaleFor(unit, []float64{0.01}).Column(unit); got != want {
			t.Errorf("%s: %q, want %q", unit, got, want)
		}
	}
}

// TestWords: sentences name quantities, whatever the key of the unit.
func TestWords(t *testing.T) {
	for unit, want := range map[string]string{
		"pkt/s": "packets/s", "req/s": "requests/s", "bit/s": "bit/s", "sec/pkt": "time per packet", "insn/run": "instructions per run", "cpu-ns/pkt": "CPU time per packet",
		"p95-rtt-sec": "p95 round trip", "p99-sec": "p99 time", "queue-pkt": "queue", "retrans-share": "retransmitted share", "batch-op/s": "batch operations/s",
		"converge-sec": "converge time", "10k-sec": "10k time", "jited-B": "jited bytes", "p99": "p99", "runq-sec": "run-queue wait", "forced-switch/s": "involuntary switches/s", "op/s": "operations/s", "broken/op": "broken per operation",
	} {
		if got := Words(unit); got != want {
			t.Errorf("Words(%q) = %q, want %q", unit, got, want)
		}
	}
}
