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

// wrkScript has wrk 4 say at its end what it counted, for parseWrk: times in microseconds.
const wrkScript = `function done(summary, latency)
	local e = summary.errors
	print("all", summary.requests, summary.duration, e.connect + e.read + e.write + e.status, e.timeout)
	for i = 1, #latency do
		print("took", latency(i))
	end
end
`

// wrkReport is what wrk says at its end.
type wrkReport struct {
	requests, failed int64
	elapsed          time.Duration
	took             load.Distribution // each request once, from the beginning of the load on
}

// metrics are the figures of it.
func (r wrkReport) metrics() []harness.Metric {
	return append(quantiles("", r.took, 0.5, 0.99),
		harness.Metric{Unit: "req/s", Value: float64(r.requests-r.failed) / r.elapsed.Seconds()},
		harness.Metric{Unit: "failed-share", Value: float64(r.failed) / float64(max(1, r.requests))})
}

// parseWrk reads what wrkScript has wrk say, which had so many connections.
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
			return r, fmt.Errorf("read what wrk says: %q: %w", strings.TrimSpace(line), err)
		}
	}
	if us <= 0 || conns <= 0 {
		return r, fmt.Errorf("read what wrk says: no sum in %q", out)
	}
	r.elapsed, r.failed = time.Duration(us)*time.Microsecond, r.failed+timeouts
	if each := r.requests / int64(conns); each > 0 {
		asSeen(times, max(1, us/each))
	}
	var seen []int64
	for t, n := range times {
		if n < 0 {
			return r, fmt.Errorf("read what wrk says: %d requests took %d us", n, t)
		}
		seen = append(seen, slices.Repeat([]int64{t * 1000}, int(n))...)
	}
	if got := int64(len(seen)) + timeouts; got != r.requests {
		return r, fmt.Errorf("read what wrk says: times of %d requests, and it made %d", got, r.requests)
	}
	r.took = load.NewDistribution(seen)
	return r, nil
}

// asSeen takes out of wrk's distribution what wrk adds to it at its end. For each request that took more than twice as long as
// they did on average wrk adds those that its connection would have sent meanwhile, one an average later (stats_correct in
// its stats.c). What it adds for a time is shorter than that, so from the longest time on all can be taken back. Of a load that
// does not send by the clock these requests are none.
func asSeen(times map[int64]int64, average int64) {
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
