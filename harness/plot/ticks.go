// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"maps"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/unit"
)

// niceTicks puts about five ticks on a linear axis, at 1, 2 or 5 times a power of ten.
type niceTicks struct{}

func (niceTicks) Ticks(lo, hi float64) []plot.Tick {
	if !(hi > lo) {
		return []plot.Tick{{Value: lo, Label: unit.Digits(lo)}}
	}
	rough := (hi - lo) / 7
	step := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*step >= rough {
			step *= m
			break
		}
	}
	decimals := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	var out []plot.Tick
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi*(1+1e-9); i++ {
		if i == 0 {
			i = 0 // not -0
		}
		out = append(out, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'f', decimals, 64)})
	}
	return out
}

// logTicks labels 1, 2 and 5 of each decade where there are few decades, else the powers of ten.
type logTicks struct{}

func (logTicks) Ticks(lo, hi float64) []plot.Tick {
	wide := sparse(lo, hi)
	var out []plot.Tick
	for d := decade(lo); d <= hi*(1+rounding); d *= 10 {
		for m := 1; m <= 9; m++ {
			v := float64(m) * d
			if v < lo*(1-rounding) || v > hi*(1+rounding) {
				continue
			}
			t := plot.Tick{Value: v}
			if m == 1 || !wide && (m == 2 || m == 5) {
				t.Label = thousands(v)
			}
			out = append(out, t)
		}
	}
	return out
}

// timeTicks are logTicks of times with their own units: 100 ns, 1 µs. An axis' value is a time in seconds times factor.
type timeTicks struct{ factor float64 }

func (t timeTicks) Ticks(lo, hi float64) []plot.Tick {
	ticks := logTicks{}.Ticks(lo, hi)
	for i, tick := range ticks {
		if tick.Label == "" {
			continue
		}
		sec := tick.Value / t.factor
		sc := unit.ScaleFor("sec", []float64{sec * (1 + 1e-9)}) // 1e-6 is 1 µs, also if it is a little less
		ticks[i].Label = strconv.FormatFloat(sec*sc.Factor, 'g', 3, 64) + " " + sc.Unit
	}
	return ticks
}

// exactTicks marks the values that were measured, and no others, and labels as many of them as have room beside each other.
type exactTicks struct {
	values map[float64]bool
	log    bool
	length vg.Length // of the axis, about
}

func (e exactTicks) Ticks(lo, hi float64) []plot.Tick {
	place := func(v float64) vg.Length { return e.length * vg.Length((v-lo)/(hi-lo)) }
	if e.log {
		place = func(v float64) vg.Length { return e.length * vg.Length(math.Log(v/lo)/math.Log(hi/lo)) }
	}
	free := vg.Length(math.Inf(-1))
	return harness.Map(slices.Sorted(maps.Keys(e.values)), func(v float64) plot.Tick {
		t, width := plot.Tick{Value: v}, tickStyle().Width(thousands(v))
		if at := place(v); at-width/2 >= free {
			t.Label, free = thousands(v), at+width/2+vg.Points(3)
		}
		return t
	})
}

// tickStyle is the style of labels of ticks.
func tickStyle() text.Style { return style(vg.Points(8.5), ink) }

// thousands writes 30000 as 30,000.
func thousands(v float64) string {
	s := strconv.FormatFloat(v, 'g', 6, 64)
	if v >= 1e6 {
		s = strconv.FormatFloat(v, 'f', -1, 64)
	}
	if v != math.Trunc(v) || v < 0 {
		return s
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
