// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"math"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// A LoadReport holds the results of a load.
type LoadReport struct {
	Done    int64 // exchanges with the right response
	Failed  int64
	First   error // the first failure
	Elapsed time.Duration
	// PerReal counts the exchanges that each real answered, by index.
	PerReal []int64

	samples []uint32 // nanoseconds, one for each exchange done; 4.29 s at most
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
	r.PerReal = count(r.PerReal, real, 1)
	r.samples = append(r.samples, uint32(min(took, math.MaxUint32)))
}

func (r *LoadReport) merge(o *LoadReport) {
	r.Done += o.Done
	r.Failed += o.Failed
	if r.First == nil {
		r.First = o.First
	}
	for i, n := range o.PerReal {
		r.PerReal = count(r.PerReal, i, n)
	}
	r.samples = append(r.samples, o.samples...)
	r.sorted = false
}

// Rate is exchanges done per second.
func (r *LoadReport) Rate() float64 { return float64(r.Done) / r.Elapsed.Seconds() }

// Quantile is the latency that the share q of the exchanges done did not exceed, exactly; 0 if none was done.
func (r *LoadReport) Quantile(q float64) time.Duration {
	if !r.sorted {
		slices.Sort(r.samples)
		r.sorted = true
	}
	return time.Duration(Quantile(r.samples, q))
}

// Series is the latency of all exchanges done as a histogram for the record, in buckets that grow by 2 %.
func (r *LoadReport) Series(name string) harness.Series {
	const growth = 1.02
	s := harness.Series{Name: name, Unit: "sec", Notes: "counts; x holds the upper edges"}
	r.Quantile(0) // sorts
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
