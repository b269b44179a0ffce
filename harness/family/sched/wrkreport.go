// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/load"
)

// wrkScript makes wrk 4 print its counters at its end for parseWrk, times in microseconds.
const wrkScript = `function done(summary, latency)
	local e = summary.errors
	print("all", summary.requests, summary.duration, e.connect + e.read + e.write + e.status, e.timeout)
	for i = 1, #latency do
		print("took", latency(i))
	end
end
`

// wrkReport is the summary that wrk prints at its end.
type wrkReport struct {
	requests, failed int64
	elapsed          time.Duration
	latency          load.Distribution // of every request, from the start of the load; one that wrk counted as a timeout took wrkLongest
}

// wrkLongest is the longest time that wrk takes down, wrk's default for --timeout. Of a request that takes as long or longer, wrk
// counts a timeout only.
const wrkLongest = 2 * time.Second

// metrics returns the metrics of the report.
func (r wrkReport) metrics() []harness.Metric {
	latencies := quantiles("", r.latency, 0.5, 0.99)
	for i, m := range latencies {
		latencies[i].Beyond = m.Value >= wrkLongest.Seconds()
	}
	return append(latencies,
		harness.Metric{Unit: "req/s", Value: float64(r.requests-r.failed) / r.elapsed.Seconds()},
		harness.Metric{Unit: "failed-share", Value: float64(r.failed) / float64(max(1, r.requests))})
}

// parseWrk parses the output of wrkScript from a wrk with conns connections.
func parseWrk(out string, conns int) (r wrkReport, err error) {
	var timeouts, us int64
	times := map[int64]int64{}
	for line := range strings.Lines(out) {
		var t, n int64
		switch {
		case strings.HasPrefix(line, "all\t"):
			_, err = fmt.Sscanf(line, "all %d %d %d %d", &r.requests, &us, &r.failed, &timeouts)
		case strings.HasPrefix(line, "took\t"):
			_, err = fmt.Sscanf(line, "took %d %d", &t, &n)
			times[t] = n
		}
		if err != nil {
			return r, fmt.Errorf("parse wrk: %q: %w", strings.TrimSpace(line), err)
		}
	}
	if us <= 0 || conns <= 0 {
		return r, fmt.Errorf("parse wrk: no sum in %q", out)
	}
	r.elapsed, r.failed = time.Duration(us)*time.Microsecond, r.failed+timeouts
	if each := r.requests / int64(conns); each > 0 {
		removeCorrection(times, max(1, us/each))
	}
	var latencies []int64
	for t, n := range times {
		if n < 0 {
			return r, fmt.Errorf("parse wrk: %d requests took %d us", n, t)
		}
		latencies = append(latencies, slices.Repeat([]int64{t * 1000}, int(n))...)
	}
	latencies = append(latencies, slices.Repeat([]int64{int64(wrkLongest)}, int(max(0, timeouts)))...)
	if got := int64(len(latencies)); got != r.requests {
		return r, fmt.Errorf("parse wrk: latencies of %d requests, want %d", got, r.requests)
	}
	r.latency = load.NewDistribution(latencies)
	return r, nil
}

// removeCorrection removes from wrk's distribution the requests that wrk adds at its end. For each request that took
// more than twice the average, wrk adds the requests that its connection would have sent meanwhile, one for each
// average (stats_correct in wrk's stats.c). Added times are shorter than the time they stem from, so all can be
// removed from the longest time down. The correction suits a load that sends by the clock; this one does not.
func removeCorrection(times map[int64]int64, average int64) {
	for _, t := range slices.Backward(slices.Sorted(maps.Keys(times))) {
		n := times[t]
		if t < 2*average {
			return
		}
		for added := t - average; n > 0 && added > average; added -= average {
			times[added] -= n
		}
	}
}
