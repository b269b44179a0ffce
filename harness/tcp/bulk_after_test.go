// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"testing"
	"time"
)

// TestAfter: bytes of the warm-up count in none of the numbers.
func TestAfter(t *testing.T) {
	r := &BulkReport{Bucket: time.Second, Elapsed: 4 * time.Second, Flows: []FlowReport{{
		BulkFlow: BulkFlow{Start: 100 * time.Millisecond}, Received: 100, Buckets: []int64{10, 20, 30, 40},
		Samples: []FlowSample{
			{At: time.Second, Window: 10, RTT: 5 * time.Second, Acked: 10, Sent: 12, Resent: 2},
			{At: 2 * time.Second, Window: 20, RTT: time.Second, Acked: 30, Sent: 36, Resent: 6},
			{At: 3 * time.Second, Window: 30, RTT: 3 * time.Second, Acked: 100, Sent: 112, Resent: 12},
		},
	}}}
	after := r.After(2500 * time.Millisecond) // cut to 2 s
	f := &after.Flows[0]
	if f.Received != 70 || f.Start != 2*time.Second || len(f.Samples) != 2 {
		t.Fatalf("received %d, start %v, %d samples", f.Received, f.Start, len(f.Samples))
	}
	if got := f.Goodput(after.Elapsed); got != 8*70/2.0 {
		t.Errorf("goodput of %v", got)
	}
	if got := f.ResentShare(); got != 0.1 {
		t.Errorf("resent share of %v, want 10 of 100", got)
	}
	if w, rtt := MeanWindow(after.Flows), MeanRTT(after.Flows); w != 25 || rtt != 2*time.Second {
		t.Errorf("mean window %v, mean round trip %v", w, rtt)
	}
	if r.Flows[0].Received != 100 || r.Flows[0].Samples[1].Acked != 30 {
		t.Error("the whole report was changed")
	}
	if r.After(0) != r {
		t.Error("without a warm-up it is not the report itself")
	}
}
