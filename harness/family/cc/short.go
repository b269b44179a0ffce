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

// shortSizes are the sizes of short flows, bytes, and their names in units.
var shortSizes = []struct {
	size int64
	word string
}{{10_000, "10k"}, {100_000, "100k"}, {1_000_000, "1m"}}

// shortFlows measures the completion times of short flows of the variant. Short flows run one after another and
// compete with one long flow of the variant, which is alone for the first quarter of the time. A flow that has not
// completed by the end is censored at its running time. A median that depends on censored flows is not reported.
func (s *stage) shortFlows(ctx context.Context, r *bulkRun) (harness.Result, error) {
	name, total := r.member.name, r.budget.Measure
	r.add(s, name, 1, 0)
	// A flow's slot is the time of its bytes at a twentieth of the link's rate plus ten round trips.
	at := total / 4
	for i := 0; ; i++ {
		kind := shortSizes[i%len(shortSizes)]
		length := 10*r.path.RTT + time.Duration(20*8*float64(kind.size)/r.path.Rate*float64(time.Second))
		if at+length > total && i >= len(shortSizes) {
			break
		}
		r.add(s, name, 1, at)
		r.flows[len(r.flows)-1].Size = kind.size
		at += length / 4
		if at > total {
			return harness.Result{}, fmt.Errorf("%v is too short for flows of all sizes: measure for more time", total)
		}
	}
	return r.measure(ctx, s, addCompletions)
}

// addCompletions adds the metrics of the long flow and, for each size of short flows, the median and a series.
func addCompletions(report *tcp.BulkReport, res *harness.Result) {
	res.Metrics = flowMetrics(report, report.Flows[:1])
	unfinished, all := 0, 0
	for _, kind := range shortSizes {
		done, running := completions(report, report.Flows[1:], kind.size)
		unfinished, all = unfinished+len(running), all+len(running)+len(done)
		if median, known := tcp.CensoredQuantile(done, running, 0.5); known {
			res.Metrics = append(res.Metrics, harness.Metric{Unit: kind.word + "-sec", Value: median.Seconds()})
		}
		y := harness.Series{Name: "completion/" + kind.word, Unit: "sec"}
		for _, d := range done {
			y.Y = append(y.Y, roundDigits(d.Seconds()))
		}
		if len(running) > 0 {
			y.Notes = fmt.Sprintf("%d more had not completed after %v and more", len(running), running[0].Round(time.Millisecond))
		}
		if len(y.Y) > 0 {
			res.Series = append(res.Series, y)
		}
	}
	res.Metrics = append(res.Metrics, harness.Metric{Unit: "unfinished-share", Value: float64(unfinished) / float64(max(all, 1))})
}

// completions returns the completion times of the flows of a size and the running times of the censored flows, both ascending.
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
