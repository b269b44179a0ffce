// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/floats"
)

// After is the report of the time from warm on, without what each flow received, sent and had acknowledged before, and without
// its samples from before. warm is rounded down to whole buckets. Buckets stay as they are.
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
	f.Samples = slices.Clone(f.Samples[k:])
	for i := range f.Samples {
		s := &f.Samples[i]
		s.Acked -= base.Acked
		s.Sent -= base.Sent
		s.Resent -= base.Resent
		s.Delivered -= base.Delivered
		s.Marked -= base.Marked
	}
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

// MeanRTT is the mean over time of the smoothed round trip time of some flows, weighted alike.
func MeanRTT(flows []FlowReport) time.Duration {
	var sum time.Duration
	rtts := RTTs(flows)
	for _, rtt := range rtts {
		sum += rtt
	}
	return sum / time.Duration(max(len(rtts), 1))
}

// Goodput is the rate of data received in order, bit/s, from the flow's start to its end or the end of the run.
func (f *FlowReport) Goodput(elapsed time.Duration) float64 {
	life := elapsed - f.Start
	if f.Completed > 0 {
		life = f.Completed
	}
	if life <= 0 {
		return 0
	}
	return 8 * float64(f.Received) / life.Seconds()
}

// ResentShare is the share of retransmissions in the bytes sent.
func (f *FlowReport) ResentShare() float64 {
	if len(f.Samples) == 0 {
		return 0
	}
	last := f.Samples[len(f.Samples)-1]
	if last.Sent == 0 {
		return 0
	}
	return float64(last.Resent) / float64(last.Sent)
}

// Acked is the acknowledged data in full packets.
func (f *FlowReport) Acked() float64 {
	if len(f.Samples) == 0 || f.Segment == 0 {
		return 0
	}
	return float64(f.Samples[len(f.Samples)-1].Acked) / float64(f.Segment)
}

// RTTs returns the round trip times of all flows' samples, in rising order.
func RTTs(flows []FlowReport) []time.Duration {
	var out []time.Duration
	for i := range flows {
		for _, s := range flows[i].Samples {
			if s.RTT > 0 {
				out = append(out, s.RTT)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Quantile of values in rising order, by the nearest rank; 0 if there are none.
func Quantile[T time.Duration | uint32](sorted []T, q float64) T {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, max(0, int(math.Ceil(q*float64(len(sorted))))-1))]
}

// CensoredQuantile is a quantile of complete and of right-censored times, both in rising order. known is true if the quantile
// is the same whether the censored ones end at once or never; otherwise the value is a lower bound.
func CensoredQuantile(complete, censored []time.Duration, q float64) (at time.Duration, known bool) {
	soon := slices.Concat(complete, censored)
	slices.Sort(soon)
	never := slices.Concat(complete, slices.Repeat([]time.Duration{math.MaxInt64}, len(censored)))
	at = Quantile(soon, q)
	return at, len(soon) > 0 && Quantile(never, q) == at
}

// jain is the fairness index of Jain, Chiu and Hawe (1984): 1 if all have the same, 1/n if one has all; 1 for no data.
func jain(x []float64) float64 {
	var sum, squares float64
	for _, v := range x {
		sum += v
		squares += v * v
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(x)) * squares)
}

// Fairness is jain's index over the whole time in which all flows ran, and the lowest over a bucket of that time.
func (r *BulkReport) Fairness() (life, worst float64) {
	sum := make([]float64, len(r.Flows))
	worst = 1
	for k := r.together(); k < r.whole(); k++ {
		shares := r.shares(k)
		floats.Add(sum, shares)
		worst = min(worst, jain(shares))
	}
	return jain(sum), worst
}

// shares are the bytes of the flows in bucket k.
func (r *BulkReport) shares(k int) []float64 {
	x := make([]float64, len(r.Flows))
	for i := range r.Flows {
		x[i] = float64(r.Flows[i].Buckets[k])
	}
	return x
}

// Flows have converged after convergedFor buckets in a row whose fairness is at least converged.
const (
	converged    = 0.9
	convergedFor = 3
)

// Convergence is the time from the start of the last flow to the first three buckets in a row with fair shares (jain's index
// at least 0.9). If there are none, ok is false and the time is that from the start of the last flow to the end.
func (r *BulkReport) Convergence() (took time.Duration, ok bool) {
	first, run := r.together(), 0
	for k := first; k < r.whole(); k++ {
		if run++; jain(r.shares(k)) < converged {
			run = 0
		}
		if run == convergedFor {
			return time.Duration(k-convergedFor+1-first) * r.Bucket, true
		}
	}
	return time.Duration(max(0, r.whole()-first)) * r.Bucket, false
}

// together is the first bucket during all of which all flows were connected.
func (r *BulkReport) together() int {
	var last time.Duration
	for i := range r.Flows {
		last = max(last, r.Flows[i].Start, r.Flows[i].Connected)
	}
	return int(math.Ceil(float64(last) / float64(r.Bucket)))
}

// whole is the number of buckets that all flows have.
func (r *BulkReport) whole() int {
	n := math.MaxInt
	for i := range r.Flows {
		n = min(n, len(r.Flows[i].Buckets))
	}
	return n
}

// Wrong is the first reason why the numbers are invalid, with the number of the flow; empty if they are valid.
func (r *BulkReport) Wrong() (flow int, why string) {
	for i := range r.Flows {
		if r.Flows[i].Wrong != "" {
			return i, r.Flows[i].Wrong
		}
	}
	return 0, ""
}
