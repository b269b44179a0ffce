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
		"converge-sec": "converge time", "10k-sec": "time of 10 kB", "1m-sec": "time of 1 MB", "jited-B": "jited bytes", "p99": "p99", "runq-sec": "run-queue wait", "forced-switch/s": "involuntary context switches/s", "op/s": "operations/s", "broken/op": "broken per operation",
	} {
		if got := Words(unit); got != want {
			t.Errorf("Words(%q) = %q, want %q", unit, got, want)
		}
	}
}

// TestScales: headers of columns name quantities, not keys, and large numbers have commas.
func TestScales(t *testing.T) {
	for unit, want := range map[string]string{"10k-sec": "10 kB, ms", "1m-sec": "1 MB, ms", "forced-switch/s": "k involuntary context switches/s", "p99-sec": "p99 ms"} {
		value := map[bool]float64{true: 2000, false: 0.02}[unit == "forced-switch/s"]
		if got := ScaleFor(unit, []float64{value}).Unit; got != want {
			t.Errorf("%s: %q, want %q", unit, got, want)
		}
	}
	for v, want := range map[float64]string{132649: "132,649", 5096693: "5,096,693", -113145.4: "-113,145", 9999: "9999", 12345: "12,345", 999999.7: "1,000,000", -123456: "-123,456"} {
		if got := Digits(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

// TestBeside: a value that rounds to a figure and is not the figure shows on which side it is.
func TestBeside(t *testing.T) {
	for _, tt := range []struct {
		v, figure float64
		want      string
	}{{1.25043, 1.25, "1.2504"}, {1.25, 1.25, "1.25"}, {0.99996, 1, "0.99996"}, {1.19, 1.25, "1.19"}, {2, 6, "2.00"}} {
		if got := Beside(tt.v, tt.figure); got != tt.want {
			t.Errorf("%v beside %v: %q, want %q", tt.v, tt.figure, got, tt.want)
		}
	}
}
