// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"math"
	"testing"
	"time"
)

func TestJain(t *testing.T) {
	for _, tt := range []struct {
		x    []float64
		want float64
	}{
		{[]float64{1, 1, 1, 1}, 1}, {[]float64{4, 0, 0, 0}, 0.25}, {[]float64{1, 3}, 0.8}, {[]float64{0, 0}, 1}, {nil, 1},
	} {
		if got := jain(tt.x); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("jain(%v) = %v, want %v", tt.x, got, tt.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	d := []time.Duration{10, 20, 30, 40}
	for q, want := range map[float64]time.Duration{0: 10, 0.25: 10, 0.5: 20, 0.95: 40, 1: 40} {
		if got := Quantile(d, q); got != want {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	if got := Quantile[time.Duration](nil, 0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

// The second flow starts in the second bucket and gets its share from the fifth on.
func TestConvergence(t *testing.T) {
	r := BulkReport{Bucket: time.Second, Elapsed: 8 * time.Second, Flows: []FlowReport{
		{Buckets: []int64{10, 10, 9, 9, 5, 5, 5, 5}},
		{BulkFlow: BulkFlow{Start: 1500 * time.Millisecond}, Buckets: []int64{0, 0, 1, 1, 5, 5, 5, 5}},
	}}
	if took, ok := r.Convergence(); !ok || took != 2*time.Second {
		t.Errorf("converged after %v (%v), want 2 s", took, ok)
	}
	life, worst := r.Fairness()
	if want := jain([]float64{9, 1}); worst != want {
		t.Errorf("worst second %v, want %v", worst, want)
	}
	if want := jain([]float64{38, 22}); math.Abs(life-want) > 1e-12 {
		t.Errorf("over life %v, want %v", life, want)
	}
	r.Flows[1].Buckets = []int64{0, 0, 1, 1, 1, 1, 1, 1}
	if took, ok := r.Convergence(); ok || took != 6*time.Second {
		t.Errorf("never converged, but: %v, %v", took, ok)
	}
}

func TestJudge(t *testing.T) {
	b := Bulk{Duration: 12 * time.Second}
	moving := func(until time.Duration) (out []FlowSample) {
		for at := time.Second; at <= 12*time.Second; at += time.Second {
			out = append(out, FlowSample{At: at, Acked: uint64(min(at, until))})
		}
		return out
	}
	for _, tt := range []struct {
		name  string
		f     FlowReport
		wrong bool
	}{
		{"fine", FlowReport{Connected: 1, Samples: moving(time.Hour)}, false},
		{"stopped", FlowReport{Connected: 1, Samples: moving(3 * time.Second)}, true},
		{"never started", FlowReport{}, true},
		{"started too late to tell", FlowReport{BulkFlow: BulkFlow{Start: 11 * time.Second}}, false},
		{"another algorithm", FlowReport{Connected: 1, Ran: "reno", Samples: moving(time.Hour)}, true},
		{"completed and quiet since", FlowReport{BulkFlow: BulkFlow{Size: 9}, Connected: 1, Completed: 2, Samples: moving(1)}, false},
	} {
		tt.f.judge(b, b.Duration)
		if (tt.f.Wrong != "") != tt.wrong {
			t.Errorf("%s: %q", tt.name, tt.f.Wrong)
		}
	}
}

// Flows that still run at the end count: without them the median of a variant that leaves its slow flows unfinished is too low.
func TestCensoredQuantile(t *testing.T) {
	d := func(ms ...time.Duration) []time.Duration { return ms }
	for _, tt := range []struct {
		name           string
		done, censored []time.Duration
		want           time.Duration
		known          bool
	}{
		{"none censored", d(1, 2, 3), nil, 2, true},
		{"one later than the median", d(1, 2, 3), d(9), 2, true},
		{"two move the median up", d(1, 2, 3), d(9, 9), 3, true},
		{"the median is among them", d(1, 2), d(9, 9, 9), 9, false},
		{"one may end before the median or after it", d(1, 5, 6), d(2, 9), 5, false},
		{"all censored", nil, d(4), 4, false},
		{"none at all", nil, nil, 0, false},
	} {
		if got, known := CensoredQuantile(tt.done, tt.censored, 0.5); got != tt.want || known != tt.known {
			t.Errorf("%s: %v, known %v, want %v, %v", tt.name, got, known, tt.want, tt.known)
		}
	}
}
