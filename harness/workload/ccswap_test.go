// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness/traffic"
)

// TestLate holds that a flow which connected too late, or never, is told from one that ran when swaps began.
func TestLate(t *testing.T) {
	const first = time.Second
	flow := func(start, connected time.Duration, wrong string) *traffic.FlowReport {
		return &traffic.FlowReport{BulkFlow: traffic.BulkFlow{Start: start}, Connected: connected, Wrong: wrong}
	}
	for _, c := range []struct {
		name string
		flow *traffic.FlowReport
		want string // part of what is said; empty: nothing
	}{
		{"in time", flow(50*time.Millisecond, 70*time.Millisecond, ""), ""},
		{"meant to start later", flow(2*time.Second, 0, ""), ""},
		{"a request to connect was lost", flow(50*time.Millisecond, 1070*time.Millisecond, ""), "after 1.07s"},
		{"never", flow(50*time.Millisecond, 0, ""), "never connected"},
		{"refused", flow(50*time.Millisecond, 0, "never started: refused"), "refused"},
	} {
		got := late(c.flow, first)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
