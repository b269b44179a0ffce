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
