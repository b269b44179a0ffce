// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"math"
	"slices"
	"time"
)

// Goodput is what arrived at the receiver in order, bit/s over the flow's life: from its start to its end or the run's.
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

// ResentShare is the share of the bytes sent that were sent again.
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

// Acked is how many full packets of data were acknowledged.
func (f *FlowReport) Acked() float64 {
	if len(f.Samples) == 0 || f.Segment == 0 {
		return 0
	}
	return float64(f.Samples[len(f.Samples)-1].Acked) / float64(f.Segment)
}

// RTTs are the round trips of all flows' samples, in rising order.
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
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, max(0, int(math.Ceil(q*float64(len(sorted))))-1))]
}

// CensoredQuantile is a quantile of times of which some are only known to be at least as long as they are: done and censored,
// both in rising order. It is known if it is the same whether the censored ones end at once or never; else the value is what it
// is at least.
func CensoredQuantile(done, censored []time.Duration, q float64) (at time.Duration, known bool) {
	soon := slices.Concat(done, censored)
	slices.Sort(soon)
	never := slices.Clone(done)
	for range censored {
		never = append(never, math.MaxInt64)
	}
	at = Quantile(soon, q)
	return at, len(soon) > 0 && Quantile(never, q) == at
}

// jain is the fairness index of jain, Chiu and Hawe (1984): 1 if all have the same, 1/n if one has all; 1 for nothing.
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
	x := make([]float64, len(r.Flows))
	worst = 1
	for k := r.together(); k < r.whole(); k++ {
		one := make([]float64, len(r.Flows))
		for i := range r.Flows {
			one[i] = float64(r.Flows[i].Buckets[k])
			x[i] += one[i]
		}
		worst = min(worst, jain(one))
	}
	return jain(x), worst
}

// converged is how fair a bucket must be to count as converged, and convergedFor how many must be so in a row.
const (
	converged    = 0.9
	convergedFor = 3
)

// Convergence is the time from when the last flow started until shares were first fair (jain's index at least 0.9) in
// three buckets in a row. Where that never came, ok is false and the time is all there was to wait.
func (r *BulkReport) Convergence() (took time.Duration, ok bool) {
	first, run := r.together(), 0
	for k := first; k < r.whole(); k++ {
		one := make([]float64, len(r.Flows))
		for i := range r.Flows {
			one[i] = float64(r.Flows[i].Buckets[k])
		}
		if run++; jain(one) < converged {
			run = 0
		}
		if run == convergedFor {
			return time.Duration(k-convergedFor+1-first) * r.Bucket, true
		}
	}
	return time.Duration(max(0, r.whole()-first)) * r.Bucket, false
}

// together is the first bucket in which all flows were there from its beginning.
func (r *BulkReport) together() int {
	var last time.Duration
	for i := range r.Flows {
		last = max(last, r.Flows[i].Start, r.Flows[i].Connected)
	}
	return int(math.Ceil(float64(last) / float64(r.Bucket)))
}

// whole is how many buckets all flows have.
func (r *BulkReport) whole() int {
	n := math.MaxInt
	for i := range r.Flows {
		n = min(n, len(r.Flows[i].Buckets))
	}
	return n
}

// Wrong is the first reason why the numbers mean nothing, with the number of the flow; empty if they do.
func (r *BulkReport) Wrong() (flow int, why string) {
	for i := range r.Flows {
		if r.Flows[i].Wrong != "" {
			return i, r.Flows[i].Wrong
		}
	}
	return 0, ""
}
