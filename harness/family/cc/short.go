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
// a quarter of the time to itself. Short ones are sent one after another, as many as fit; one that does not complete by the
// end makes the trial invalid only if no other of its size did.
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
	for _, kind := range shortSizes {
		done := completions(report.Flows[1:], kind.size)
		if len(done) == 0 {
			res.Invalid = fmt.Sprintf("no flow of %d bytes completed", kind.size)
			return res, nil
		}
		res.Metrics = append(res.Metrics, harness.Metric{Unit: kind.word + "-sec", Value: tcp.Quantile(done, 0.5).Seconds()})
		y := harness.Series{Name: "completion/" + kind.word, Unit: "sec"}
		for _, d := range done {
			y.Y = append(y.Y, short(d.Seconds()))
		}
		res.Series = append(res.Series, y)
	}
	return res, nil
}

// completions are the times that flows of a size took, in rising order.
func completions(flows []tcp.FlowReport, size int64) []time.Duration {
	var out []time.Duration
	for i := range flows {
		if flows[i].Size == size && flows[i].Completed > 0 {
			out = append(out, flows[i].Completed)
		}
	}
	slices.Sort(out)
	return out
}
