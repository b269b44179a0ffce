// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/tcp"
)

// shortSizes are the sizes of short flows, bytes, and the words for them in units.
var shortSizes = []struct {
	size int64
	word string
}{{10_000, "10k"}, {100_000, "100k"}, {1_000_000, "1m"}}

// shortFlows measures how long short flows of the variant take, each alone beside one long flow of the same, which has had
// a quarter of the time to itself. Short ones are sent one after another, as many as fit. One that has not completed by the
// end is censored: it counts as one that takes at least as long as it ran. A median that depends on how much longer is not
// given.
func (s *stage) shortFlows(ctx context.Context, m *member, c harness.Cell, b harness.Budget) (harness.Result, error) {
	r, err := newRun(c, b)
	if err != nil {
		return harness.Result{}, err
	}
	r.add(s, m.name, 1, 0)
	// A flow has as long as its bytes take at a twentieth of the link, and ten round trips.
	at := b.Measure / 4
	for i := 0; ; i++ {
		kind := shortSizes[i%len(shortSizes)]
		length := 10*r.path.RTT + time.Duration(20*8*float64(kind.size)/r.path.Rate*float64(time.Second))
		if at+length > b.Measure && i >= len(shortSizes) {
			break
		}
		r.add(s, m.name, 1, at)
		r.flows[len(r.flows)-1].Size = kind.size
		at += length / 4
		if at > b.Measure {
			return harness.Result{}, fmt.Errorf("%v is too short a time for flows of all sizes", b.Measure)
		}
	}
	report, err := r.run(ctx, s)
	if err != nil {
		return harness.Result{}, err
	}
	res := r.judged(report)
	if res.Invalid != "" {
		return res, nil
	}
	res.Metrics = take(report, report.Flows[:1])
	unfinished, all := 0, 0
	for _, kind := range shortSizes {
		done, running := completions(report, report.Flows[1:], kind.size)
		unfinished, all = unfinished+len(running), all+len(running)+len(done)
		median, known := tcp.CensoredQuantile(done, running, 0.5)
		if known {
			res.Metrics = append(res.Metrics, harness.Metric{Unit: kind.word + "-sec", Value: median.Seconds()})
		}
		y := harness.Series{Name: "completion/" + kind.word, Unit: "sec"}
		for _, d := range done {
			y.Y = append(y.Y, short(d.Seconds()))
		}
		if len(running) > 0 {
			y.Notes = fmt.Sprintf("%d more had not completed after %v and more", len(running), running[0].Round(time.Millisecond))
		}
		if len(y.Y) > 0 {
			res.Series = append(res.Series, y)
		}
	}
	res.Metrics = append(res.Metrics, harness.Metric{Unit: "unfinished-share", Value: float64(unfinished) / float64(max(all, 1))})
	return res, nil
}

// completions are the times that flows of a size took, and how long those ran that had not completed by the end, each in
// rising order.
func completions(report *tcp.BulkReport, flows []tcp.FlowReport, size int64) (done, running []time.Duration) {
	for i := range flows {
		switch f := &flows[i]; {
		case f.Size != size || f.Start >= report.Elapsed:
		case f.Completed > 0:
			done = append(done, f.Completed)
		default:
			running = append(running, report.Elapsed-f.Start)
		}
	}
	slices.Sort(done)
	slices.Sort(running)
	return done, running
}
