// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/tcp"
)

// watchModes reads the time in each of the variant's modes at the end of the warm-up. The returned function is called
// after the run and returns the share of the competitive mode, or nothing if the variant does not count modes.
func (r *bulkRun) watchModes() func() []harness.Metric {
	read := func() (standard, competitive uint64, ok bool) {
		counts, err := r.member.control.Counters()
		if err != nil {
			return 0, 0, false
		}
		competitive, ok = counts["competitive_us"]
		return counts["default_us"], competitive, ok
	}
	if _, _, ok := read(); !ok {
		return func() []harness.Metric { return nil }
	}
	var standard, competitive uint64
	r.events = append(r.events, tcp.BulkEvent{At: r.warm, Do: func() error {
		standard, competitive, _ = read()
		return nil
	}})
	return func() []harness.Metric {
		a, b, ok := read()
		a, b = a-standard, b-competitive
		if !ok || a+b == 0 {
			return nil
		}
		return []harness.Metric{{Unit: "competitive-share", Value: float64(b) / float64(a+b)}}
	}
}

// windows returns the metrics that response functions predict, for some of a report's flows: the mean over time of
// the congestion window, the data in flight (by Little's law, the data acknowledged in a round trip), and the part of
// it in the queue. All are means of one flow, packets.
func (r *bulkRun) windows(report *tcp.BulkReport, flows []tcp.FlowReport) []harness.Metric {
	acked, life := totalAcked(flows), 0.0
	for i := range flows {
		life += (report.Elapsed - flows[i].Start).Seconds()
	}
	if life <= 0 || acked == 0 {
		return nil
	}
	rtt := tcp.MeanRTT(flows).Seconds()
	out := []harness.Metric{
		{Unit: "wnd-pkt", Value: tcp.MeanWindow(flows)},
		{Unit: "flight-pkt", Value: acked * rtt / life},
	}
	if r.path.Rate > 0 {
		// The round-trip time of an empty path includes one frame's time on the link.
		empty := r.path.RTT.Seconds() + 8*netlab.Frame/r.path.Rate
		out = append(out, harness.Metric{Unit: "queue-pkt", Value: max(0, acked*(rtt-empty)/life)})
	}
	return out
}
