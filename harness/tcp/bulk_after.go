// SPDX-License-Identifier: Apache-2.0

package tcp

import "time"

// After is the report of the time from warm on: what each flow received, sent and had acknowledged before does not count,
// and neither do its samples. Warm is a whole number of buckets, or is cut to one. Buckets stay as they are.
func (r *BulkReport) After(warm time.Duration) *BulkReport {
	first := int(warm / r.Bucket)
	if first == 0 {
		return r
	}
	warm = time.Duration(first) * r.Bucket
	out := &BulkReport{Elapsed: r.Elapsed, Bucket: r.Bucket}
	for i := range r.Flows {
		out.Flows = append(out.Flows, r.Flows[i].after(warm, first))
	}
	return out
}

func (f FlowReport) after(warm time.Duration, first int) FlowReport {
	f.Start, f.Connected = max(f.Start, warm), max(f.Connected, warm)
	for _, n := range f.Buckets[:min(first, len(f.Buckets))] {
		f.Received -= n
	}
	var base FlowSample
	k := 0
	for ; k < len(f.Samples) && f.Samples[k].At < warm; k++ {
		base = f.Samples[k]
	}
	samples := make([]FlowSample, 0, len(f.Samples)-k)
	for _, s := range f.Samples[k:] {
		s.Acked -= base.Acked
		s.Sent -= base.Sent
		s.Resent -= base.Resent
		s.Delivered -= base.Delivered
		s.Marked -= base.Marked
		samples = append(samples, s)
	}
	f.Samples = samples
	return f
}

// MeanWindow is the mean over time of the congestion window of some flows, packets.
func MeanWindow(flows []FlowReport) float64 {
	var sum, n float64
	for i := range flows {
		for _, s := range flows[i].Samples {
			sum, n = sum+float64(s.Window), n+1
		}
	}
	return sum / max(n, 1)
}

// MeanRTT is the mean over time of the smoothed round trip of some flows, weighted alike.
func MeanRTT(flows []FlowReport) time.Duration {
	var sum, n time.Duration
	for i := range flows {
		for _, s := range flows[i].Samples {
			if s.RTT > 0 {
				sum, n = sum+s.RTT, n+1
			}
		}
	}
	return sum / max(n, 1)
}
