// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"fmt"
	"math"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/tcp"
)

const (
	// seriesFlows is the number of flows of a trial whose series are recorded.
	seriesFlows = 4
	// seriesPoints is the largest number of points in a series: figures are no wider.
	seriesPoints = 150
)

// flowSeries returns goodput, round-trip time and window over time for the first flows, and the distribution of all
// round-trip times. The name of a series is its quantity and the flow's number, "window 1"; the notes name the flow's
// variant.
func flowSeries(report *tcp.BulkReport, names []string) []harness.Series {
	var out []harness.Series
	for i := range report.Flows[:min(len(report.Flows), seriesFlows)] {
		f := &report.Flows[i]
		if f.Size > 0 {
			continue
		}
		begin := func(what, unit string) harness.Series {
			return harness.Series{Name: fmt.Sprintf("%s %d", what, i+1), Unit: unit, Notes: names[i]}
		}
		goodput := begin("goodput", "bit/s")
		for k, n := range f.Buckets {
			goodput.X = append(goodput.X, (time.Duration(k+1) * report.Bucket).Seconds())
			goodput.Y = append(goodput.Y, roundDigits(8*float64(n)/report.Bucket.Seconds()))
		}
		rtt, window := begin("rtt", "sec"), begin("window", "pkt")
		step := max(1, (len(f.Samples)+seriesPoints-1)/seriesPoints)
		for k := step - 1; k < len(f.Samples); k += step {
			s := f.Samples[k]
			at := roundDigits(s.At.Seconds())
			rtt.X, rtt.Y = append(rtt.X, at), append(rtt.Y, roundDigits(s.RTT.Seconds()))
			window.X, window.Y = append(window.X, at), append(window.Y, float64(s.Window))
		}
		out = append(out, goodput, rtt, window)
	}
	if cdf := rttDistribution(report.Flows); len(cdf.X) > 0 {
		out = append(out, cdf)
	}
	return out
}

// rttDistribution returns a series: Y is the share of samples with a round-trip time of at most X.
func rttDistribution(flows []tcp.FlowReport) harness.Series {
	out := harness.Series{Name: "rtt-cdf", Unit: "share", Notes: "X: round trip, sec; Y: share of the samples up to it"}
	all := tcp.RTTs(flows)
	if len(all) == 0 {
		return out
	}
	for q := 0; q <= 50; q++ {
		share := float64(q) / 50
		out.X = append(out.X, roundDigits(tcp.Quantile(all, share).Seconds()))
		out.Y = append(out.Y, share)
	}
	return out
}

// roundDigits rounds to five significant digits, the resolution of a figure: records stay small.
func roundDigits(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	scale := math.Pow(10, 4-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
