// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"math"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// A LoadReport is what a load saw.
type LoadReport struct {
	Done    int64 // exchanges with the right response
	Failed  int64
	First   error // the first failure
	Elapsed time.Duration
	// PerReal counts the exchanges that each real answered, by index.
	PerReal []int64

	samples []uint32 // nanoseconds, one for each exchange done; what takes longer than 4.29 s counts as that
	sorted  bool
}

func (r *LoadReport) add(real int, took time.Duration, err error) {
	if err != nil {
		r.Failed++
		if r.First == nil {
			r.First = err
		}
		return
	}
	r.Done++
	for real >= len(r.PerReal) {
		r.PerReal = append(r.PerReal, 0)
	}
	r.PerReal[real]++
	r.samples = append(r.samples, uint32(min(took, math.MaxUint32)))
}

func (r *LoadReport) merge(o *LoadReport) {
	r.Done += o.Done
	r.Failed += o.Failed
	if r.First == nil {
		r.First = o.First
	}
	for len(r.PerReal) < len(o.PerReal) {
		r.PerReal = append(r.PerReal, 0)
	}
	for i, n := range o.PerReal {
		r.PerReal[i] += n
	}
	r.samples = append(r.samples, o.samples...)
	r.sorted = false
}

// Rate is exchanges done per second.
func (r *LoadReport) Rate() float64 { return float64(r.Done) / r.Elapsed.Seconds() }

// Quantile is the latency that the share q of the exchanges done did not exceed, exactly; 0 if none was done.
func (r *LoadReport) Quantile(q float64) time.Duration {
	if len(r.samples) == 0 {
		return 0
	}
	if !r.sorted {
		slices.Sort(r.samples)
		r.sorted = true
	}
	i := int(math.Ceil(q*float64(len(r.samples)))) - 1
	return time.Duration(r.samples[min(max(i, 0), len(r.samples)-1)])
}

// Series is the latency of all exchanges done as a histogram for the record, in buckets that grow by 2 %.
func (r *LoadReport) Series(name string) harness.Series {
	const growth = 1.02
	s := harness.Series{Name: name, Unit: "sec", Notes: "counts; x holds the upper edges"}
	r.Quantile(0)
	edge := math.NaN()
	for _, ns := range r.samples {
		if n := len(s.Y); n > 0 && float64(ns) <= edge {
			s.Y[n-1]++
			continue
		}
		edge = math.Pow(growth, math.Ceil(math.Log(float64(max(ns, 1)))/math.Log(growth)))
		s.X, s.Y = append(s.X, edge/1e9), append(s.Y, 1)
	}
	return s
}
