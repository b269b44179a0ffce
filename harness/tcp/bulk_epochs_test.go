// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"math"
	"testing"
	"time"
)

// saw makes a flow of epochs of 8 s: a second of recovery, at first above the threshold and then at it, then the window of
// growth. Every odd epoch has a threshold and a window larger by step.
func saw(n, step int, growth func(sec float64) float64) *FlowReport {
	f := &FlowReport{}
	for e := range n {
		for k := range 800 {
			at := time.Duration(e)*8*time.Second + time.Duration(k)*10*time.Millisecond
			w := 70.0
			if k > 100 {
				w = growth(float64(k-100) / 100)
			}
			if e > 0 && k < 10 {
				w = 80 - float64(k)/10
			}
			w += float64(e % 2 * step)
			f.Samples = append(f.Samples, FlowSample{At: at, Window: uint32(w), Threshold: uint32(70 + e%2*step)})
		}
	}
	return f
}

func TestEpochsOfCubic(t *testing.T) {
	// W = 0.4 (t - K)^3 + 80 begins at 70: K is the cubic root of 25.
	k := math.Cbrt(25)
	got := saw(4, 1, func(x float64) float64 { return 0.4*math.Pow(x-k, 3) + 80.5 }).Epochs()
	if len(got) != 2 { // the first has no reduction before it, the last has no end
		t.Fatalf("%d epochs, want 2", len(got))
	}
	e := got[0]
	if e.Length != 8*time.Second || math.Abs(e.Peak-108) > 1 {
		t.Errorf("length %v, peak %v", e.Length, e.Peak)
	}
	if math.Abs(e.K.Seconds()/k-1) > 0.03 || math.Abs(e.Gap/10-1) > 0.1 {
		t.Errorf("K %v and gap %v, want %.3f s and 10", e.K, e.Gap, k)
	}
}

// Reno's threshold is the same after each loss on a link that does not change.
func TestEpochsOfReno(t *testing.T) {
	got := saw(4, 0, func(x float64) float64 { return 70.5 + 10*x }).Epochs()
	if len(got) != 2 {
		t.Fatalf("%d epochs, want 2", len(got))
	}
	for _, e := range got {
		if e.Length != 8*time.Second || math.Abs(e.Peak-140) > 1 {
			t.Errorf("length %v, peak %v", e.Length, e.Peak)
		}
	}
	if e := (&FlowReport{}).Epochs(); e != nil {
		t.Errorf("epochs of nothing: %v", e)
	}
}
