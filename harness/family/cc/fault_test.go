// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/tcp"
)

// TestFault gives the gate what flows of wrong congestion controls show.
func TestFault(t *testing.T) {
	emulated := netlab.Path{Rate: 10e6, RTT: 20 * time.Millisecond, Buffer: 1}
	for _, c := range []struct {
		name   string
		path   netlab.Path
		change func(bulk, short *tcp.FlowReport)
		want   string
	}{
		{"sound", emulated, func(_, _ *tcp.FlowReport) {}, ""},
		{"slow", emulated, func(bulk, _ *tcp.FlowReport) { bulk.Received = 300_000 }, "the window does not open"},
		{"never grows", emulated, func(bulk, _ *tcp.FlowReport) { bulk.Samples[0].Window = initialWindow }, "never grew above the 10 packets"},
		{"no reaction", emulated, func(bulk, _ *tcp.FlowReport) { bulk.Samples[1].Resent = 3_000_000 }, "no reaction to losses"},
		{"starves others", emulated, func(_, short *tcp.FlowReport) { short.Completed = 0 }, "20,000 bytes beside another flow did not arrive within 2s"},
		{"no emulation", netlab.Path{}, func(bulk, short *tcp.FlowReport) { bulk.Samples[0].Window, short.Completed = 10, 0 }, ""},
	} {
		bulk := tcp.FlowReport{Received: 3_000_000, Samples: []tcp.FlowSample{{Window: 34}, {Window: 10, Sent: 4_000_000}}}
		short := tcp.FlowReport{Completed: time.Second, BulkFlow: tcp.BulkFlow{Start: time.Second}}
		c.change(&bulk, &short)
		got := fault(&tcp.BulkReport{Flows: []tcp.FlowReport{bulk, short}, Elapsed: 3 * time.Second}, c.path)
		if got != "" != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
