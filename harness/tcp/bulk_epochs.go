// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"slices"
	"time"

	"gonum.org/v1/gonum/mat"
)

// An Epoch is the time from one reduction of a flow's window to the next.
type Epoch struct {
	Peak   float64       // window before the reduction, packets
	Length time.Duration // to the next reduction
	// K is the time from the end of recovery to the slowest growth, and Gap the growth until then, packets, both of the cubic
	// polynomial that fits the window best. Both are 0 if growth does not slow down first.
	K   time.Duration
	Gap float64
}

// Epochs returns the flow's complete epochs. A reduction begins when a window above the slow start threshold falls, and ends
// when the window is at the threshold, which may be the same each time.
func (f *FlowReport) Epochs() []Epoch {
	var out []Epoch
	begin, peak, falling := -1, 0.0, false
	for i := 1; i < len(f.Samples); i++ {
		was, is := f.Samples[i-1], f.Samples[i]
		if falling {
			falling = is.Window > is.Threshold
			continue
		}
		if is.Window >= was.Window || was.Window <= is.Threshold {
			continue
		}
		if begin >= 0 {
			e := Epoch{Peak: peak, Length: is.At - f.Samples[begin].At}
			e.K, e.Gap = inflection(afterRecovery(f.Samples[begin:i]))
			out = append(out, e)
		}
		begin, peak, falling = i, float64(was.Window), is.Window > is.Threshold
	}
	return out
}

// afterRecovery returns the samples from the end of recovery on: from the last in which the window is at the threshold.
func afterRecovery(s []FlowSample) []FlowSample {
	for i := range slices.Backward(s) {
		if s[i].Window <= s[i].Threshold {
			return s[i:]
		}
	}
	return nil
}

// leastFit is the number of samples that a fit needs.
const leastFit = 20

// inflection fits a cubic polynomial to windows over time, by least squares.
func inflection(s []FlowSample) (k time.Duration, gap float64) {
	if len(s) < leastFit {
		return 0, 0
	}
	length := (s[len(s)-1].At - s[0].At).Seconds()
	a, b := mat.NewDense(len(s), 4, nil), mat.NewVecDense(len(s), nil)
	for i := range s {
		x := (s[i].At - s[0].At).Seconds() / length // from 0 to 1: the fit is well conditioned
		a.SetRow(i, []float64{1, x, x * x, x * x * x})
		b.SetVec(i, float64(s[i].Window))
	}
	var c mat.VecDense
	if err := c.SolveVec(a, b); err != nil || c.AtVec(3) <= 0 {
		return 0, 0
	}
	x := -c.AtVec(2) / (3 * c.AtVec(3))
	gap = x * (c.AtVec(1) + x*(c.AtVec(2)+x*c.AtVec(3)))
	if x <= 0 || x >= 1 || gap <= 0 {
		return 0, 0
	}
	return time.Duration(x * length * float64(time.Second)), gap
}
