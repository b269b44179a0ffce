// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// The values are those of published tables of Student's t, and of R's pt() to the digits given.
func TestTailT(t *testing.T) {
	for _, tt := range []struct{ t, df, want float64 }{
		{12.7062, 1, 0.05}, {2.30600, 8, 0.05}, {3.35539, 8, 0.01}, {2.04227, 30, 0.05}, {0, 5, 1}, {1.95996, 1e5, 0.05},
		{636.619, 1, 0.001}, {8.610, 4, 0.001}, {1.98397, 100, 0.05}, {1.97190, 200, 0.05}, {1.97184, 201, 0.05},
		{2.60063, 201, 0.01}, {3.33984, 200, 0.001}, {3.29053, 1e6, 0.001}, {1.95996, math.Inf(1), 0.05}, {-2.30600, 8, 0.05},
	} {
		if got := TailT(tt.t, tt.df); math.Abs(got-tt.want) > 4e-4*tt.want {
			t.Errorf("TailT(%v, %v) = %v, want %v", tt.t, tt.df, got, tt.want)
		}
	}
	// Far out, 201 degrees of freedom are not a normal distribution, whose tail at 5 is 5.73e-7.
	if got := TailT(5, 201); got < 1.1e-6 || got > 1.4e-6 {
		t.Errorf("TailT(5, 201) = %v, want 1.24e-06", got)
	}
	if TailT(math.NaN(), 4) != 1 || TailT(3, 0) != 1 || TailT(3, -1) != 1 || TailT(3, math.NaN()) != 1 {
		t.Error("what cannot be tested must have p 1")
	}
	for df, want := range map[float64]float64{4: 2.77645, 30: 2.04227, math.Inf(1): 1.95996} {
		if got := CriticalT(0.05, df); math.Abs(got-want) > 1e-4 {
			t.Errorf("CriticalT(0.05, %v) = %v, want %v", df, got, want)
		}
	}
	if a, b := UpperT(2.132, 4), UpperT(-2.132, 4); math.Abs(a-0.05) > 1e-4 || math.Abs(b-0.95) > 1e-4 {
		t.Errorf("UpperT: %v and %v", a, b)
	}
}

func TestTrigamma(t *testing.T) {
	for x, want := range map[float64]float64{1: math.Pi * math.Pi / 6, 0.5: math.Pi * math.Pi / 2, 2: math.Pi*math.Pi/6 - 1} {
		if got := trigamma(x); math.Abs(got-want) > 1e-9 {
			t.Errorf("trigamma(%v) = %v, want %v", x, got, want)
		}
		if got := inverseTrigamma(want); math.Abs(got-x) > 1e-6 {
			t.Errorf("inverseTrigamma(%v) = %v, want %v", want, got, x)
		}
	}
}

// TestModerate: variances that agree are pooled, one that stands out keeps to itself, zeros say nothing.
func TestModerate(t *testing.T) {
	four := func(n int) []float64 {
		df := make([]float64, n)
		for i := range df {
			df[i] = 4
		}
		return df
	}
	alike := NewPrior([]float64{1, 1.1, 0.9, 1, 0.95, 1.05, 0, 0}, four(8))
	if !math.IsInf(alike.DF, 1) || alike.Var < 0.9 || alike.Var > 1.5 {
		t.Errorf("variances that agree: %+v", alike)
	}
	apart := NewPrior([]float64{1e-6, 3e-5, 2e-8, 4e-4, 1e-3, 5e-7, 9e-4}, four(7))
	if apart.DF > 2 {
		t.Errorf("variances over five decades: %+v, want few degrees of freedom", apart)
	}
	if v, df := apart.Moderate(1e-3, 4); v < 5e-4 || df < 4 || df > 6 {
		t.Errorf("the noisiest of them: variance %v with %v degrees of freedom", v, df)
	}
	if p := NewPrior([]float64{1, 2, 0, 0}, four(4)); p != (Prior{}) {
		t.Errorf("two variances: %+v, want no prior", p)
	}
	if v, df := (Prior{}).Moderate(3, 4); v != 3 || df != 4 {
		t.Errorf("no prior: %v, %v", v, df)
	}
}

// TestWarnings: what benchmath says of small samples reaches the reader, in words.
func TestWarnings(t *testing.T) {
	if w := strings.Join(Summarize([]float64{1, 2, 3}).Warnings, ";"); !strings.Contains(w, "too few repeats for an interval at 95 %: 6 are needed") {
		t.Errorf("three values: %q", w)
	}
	if s := Summarize([]float64{1, 2, 3, 4, 5, 6}); len(s.Warnings) > 0 {
		t.Errorf("six values: %v", s.Warnings)
	}
	if p, w := RankP([]float64{1, 2, 3}, []float64{4, 5, 6}); p < 0.09 || !strings.Contains(strings.Join(w, ";"), "too few repeats for a difference at 5 %: 4 are needed") {
		t.Errorf("three against three: p %v, %q", p, w)
	}
}

// TestTrimmedMean: values far out do not count; the interval holds the centre of heavy tails in 95 of 100 samples, within a standard
// error of 400 of them, and is not wider than it need be.
func TestTrimmedMean(t *testing.T) {
	if mean, half := TrimmedMean([]float64{1e6, 1, 2, 3, 2, 1, 3, 2, 2, -1e9}, 0.95); math.Abs(mean-2) > 0.01 || half < 0.3 || half > 2 {
		t.Errorf("%v ± %v", mean, half)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	held, width := 0, 0.0
	for range 400 {
		v := make([]float64, 50)
		for i := range v {
			if v[i] = rng.NormFloat64(); i%10 == 0 {
				v[i] *= 20
			}
		}
		mean, half := TrimmedMean(v, 0.95)
		if width += half / 400; math.Abs(mean) <= half {
			held++
		}
	}
	if held < 372 || held > 390 || width > 0.4 {
		t.Errorf("%d of 400 intervals of 95 %% hold the centre, of width %.2f", held, width)
	}
}

// TestInterquartileMean: what is rare does not count; of few values, all do.
func TestInterquartileMean(t *testing.T) {
	for _, tt := range []struct {
		in   []float64
		want float64
	}{
		{[]float64{4}, 4},
		{[]float64{5, 1}, 3},
		{[]float64{3, 100, 1, 2}, 2.5},
		{[]float64{7, 7, 1e6, 7, 0, 9, 7, 7}, 7},
	} {
		if got := InterquartileMean(tt.in); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.in, got, tt.want)
		}
	}
}

// TestFloor: what is added to most of the values does not move the lowest that several have; one lower value alone is none.
func TestFloor(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{
		{[]float64{3}, 3},
		{[]float64{8, 91, 90, 8, 91, 90, 91, 90, 91, 90, 91, 90, 91, 90, 91, 91, 91, 91, 91, 91}, 8},
		{[]float64{5, 8, 8, 8, 9, 9}, 8},
		{[]float64{1, 2, 3, 40, 50, 60}, 1.5}, // no two alike: the middle of the densest third
	} {
		if got := Floor(c.v); got != c.want {
			t.Errorf("of %v: %v, want %v", c.v, got, c.want)
		}
	}
}

// TestDensest: values that are alike count, with half of the others on one side, or a quarter on each.
func TestDensest(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{
		{[]float64{3}, 3},
		{[]float64{8, 8, 8, 8, 84, 85, 90, 99, 120}, 8},
		{[]float64{1, 2, 8, 8, 8, 84, 86, 90}, 8},
		{[]float64{5, 1, 9}, 1},
	} {
		if got := densest(c.v, 1.0/3); got != c.want {
			t.Errorf("of %v: %v, want %v", c.v, got, c.want)
		}
	}
}
