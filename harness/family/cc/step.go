// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"fmt"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/tcp"
)

// The values of axis change: how the path changes during a flow.
const (
	changeRate   = "rate"   // the rate of the link halves, then returns
	changeDelay  = "delay"  // the round-trip time doubles, then returns
	changeOutage = "outage" // all packets are lost for a twentieth of the time
)

// settledShare is the share of the link's rate at which a flow counts as settled.
const settledShare = 0.8

// step measures how a flow adapts to a link that changes at one third of the time and changes back at two thirds: the
// time until the queue is short again (give), and until the flow uses the restored rate (take).
func (s *stage) step(ctx context.Context, r *bulkRun) (harness.Result, error) {
	total, change := r.budget.Measure, r.cell.Axis("change")
	r.add(s, r.member.name, 1, 0)
	worse, down, up := r.path, total/3, 2*total/3
	switch change {
	case changeRate:
		worse.Rate /= 2
		worse.Buffer *= 2 // the queue keeps its length in packets
	case changeDelay:
		worse.RTT *= 2
		worse.Buffer /= 2
	case changeOutage:
		worse.Loss = 1
		up = down + total/20
	default:
		return harness.Result{}, fmt.Errorf("unknown change %q", change)
	}
	worse.Seed++
	r.events = []tcp.BulkEvent{
		{At: down, Do: func() error { return s.chain.Change(worse) }},
		{At: up, Do: func() error { return s.chain.Change(r.path) }},
	}
	return r.measure(ctx, s, func(report *tcp.BulkReport, res *harness.Result) {
		samples := report.Flows[0].Samples
		res.Metrics = flowMetrics(report, report.Flows)
		if change != changeOutage {
			// The queue is short if the round-trip time is at most 1.5 times the path's own.
			give := timeUntil(samples, down, up, func(_, now tcp.FlowSample) bool { return now.RTT <= worse.RTT*3/2 })
			res.Metrics = append(res.Metrics, harness.Metric{Unit: "give-sec", Value: give.Seconds()})
		}
		take := timeUntil(samples, up, report.Elapsed, func(before, now tcp.FlowSample) bool {
			rate := 8 * float64(now.Acked-before.Acked) / (now.At - before.At).Seconds()
			return rate >= settledShare*r.path.Rate
		})
		res.Metrics = append(res.Metrics, harness.Metric{Unit: "take-sec", Value: take.Seconds()})
	})
}

// timeUntil returns the time from from to the first sample for which holds is true; to the end if there is none.
// holds compares a sample with the sample 0.1 s before.
func timeUntil(samples []tcp.FlowSample, from, end time.Duration, holds func(before, now tcp.FlowSample) bool) time.Duration {
	const back = 100 * time.Millisecond
	j := 0
	for i := range samples {
		if samples[i].At < from+back || samples[i].At > end {
			continue
		}
		for samples[j].At < samples[i].At-back {
			j++
		}
		if j < i && holds(samples[j], samples[i]) {
			return samples[i].At - from
		}
	}
	return end - from
}
