// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"fmt"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/tcp"
)

// leastEpochs is the least number of complete epochs for a mean.
const leastEpochs = 4

// sawtooth measures the epochs of one flow that fills the buffer repeatedly: their length and the growth of the window.
func (s *stage) sawtooth(ctx context.Context, r *bulkRun) (harness.Result, error) {
	r.add(s, r.member.name, 1, 0)
	return r.measure(ctx, s, func(report *tcp.BulkReport, res *harness.Result) {
		report = report.After(r.warm)
		epochs := report.Flows[0].Epochs()
		if len(epochs) < leastEpochs {
			res.Invalid = fmt.Sprintf("the window fell %d times within %v, too few for %d epochs: measure for more time",
				len(epochs)+1, r.budget.Measure, leastEpochs)
			return
		}
		res.Metrics = append(flowMetrics(report, report.Flows), epochMeans(epochs)...)
	})
}

// epochMeans returns means over epochs; the means of growth are over the epochs that have a point of inflection.
func epochMeans(epochs []tcp.Epoch) []harness.Metric {
	var peak, gap float64
	var length, k time.Duration
	slowed := 0
	for _, e := range epochs {
		peak, length = peak+e.Peak, length+e.Length
		if e.K > 0 {
			k, gap = k+e.K, gap+e.Gap
			slowed++
		}
	}
	n := float64(len(epochs))
	out := []harness.Metric{{Unit: "peak-pkt", Value: peak / n}, {Unit: "epoch-sec", Value: length.Seconds() / n}}
	if slowed >= leastEpochs {
		out = append(out, harness.Metric{Unit: "k-sec", Value: k.Seconds() / float64(slowed)},
			harness.Metric{Unit: "gap-pkt", Value: gap / float64(slowed)})
	}
	return out
}
