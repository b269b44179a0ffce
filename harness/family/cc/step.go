// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"fmt"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/tcp"
)

// What changes under a flow.
const (
	changeRate   = "rate"   // the link becomes half as fast, then as fast as before
	changeDelay  = "delay"  // the round trip becomes twice as long, then as long as before
	changeOutage = "outage" // nothing arrives for a twentieth of the time
)

// settledShare is the share of what a link can carry at which a flow counts as having taken it.
const settledShare = 0.8

// step measures how a flow follows a link that changes at a third of the time and changes back at two thirds: how long it
// takes until the queue is short again (give), and until it uses what came back (take).
func (s *stage) step(ctx context.Context, m *member, c harness.Cell, b harness.Budget) (harness.Result, error) {
	r, err := newRun(c, b)
	if err != nil {
		return harness.Result{}, err
	}
	r.add(s, m.name, 1, 0)
	worse, down, up := r.path, b.Measure/3, 2*b.Measure/3
	switch c.Axis("change") {
	case changeRate:
		worse.Rate /= 2
		worse.Buffer *= 2 // the queue keeps its room in packets
	case changeDelay:
		worse.RTT *= 2
		worse.Buffer /= 2
	case changeOutage:
		worse.Loss = 1
		up = down + b.Measure/20
	default:
		return harness.Result{}, fmt.Errorf("unknown change %q", c.Axis("change"))
	}
	worse.Seed++
	r.events = []tcp.BulkEvent{
		{At: down, Do: func() error { return s.chain.Change(worse) }},
		{At: up, Do: func() error { return s.chain.Change(r.path) }},
	}
	report, err := r.run(ctx, s)
	if err != nil {
		return harness.Result{}, err
	}
	res := r.judged(report)
	if res.Invalid != "" {
		return res, nil
	}
	f := &report.Flows[0]
	res.Metrics = take(report, report.Flows)
	if c.Axis("change") != changeOutage {
		// The queue is short when the round trip is at most half as long again as the path's own.
		give := timeUntil(f.Samples, down, up, func(_, now tcp.FlowSample) bool { return now.RTT <= worse.RTT*3/2 })
		res.Metrics = append(res.Metrics, harness.Metric{Unit: "give-sec", Value: give.Seconds()})
	}
	took := timeUntil(f.Samples, up, report.Elapsed, func(before, now tcp.FlowSample) bool {
		rate := 8 * float64(now.Acked-before.Acked) / (now.At - before.At).Seconds()
		return rate >= settledShare*r.path.Rate
	})
	res.Metrics = append(res.Metrics, harness.Metric{Unit: "take-sec", Value: took.Seconds()})
	return res, nil
}

// timeUntil is the time from one moment to the first sample at which something holds, compared with the sample a tenth of
// a second before; to the end if it never does.
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
