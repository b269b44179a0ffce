// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// TestChangePoints reproduces the ten results that Apache Otava publishes for a series of 365 points.
func TestChangePoints(t *testing.T) {
	raw, err := os.ReadFile("testdata/change-points.json")
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		Series  []float64
		Vectors []struct {
			Name         string
			Window       int
			MaxPValue    float64 `json:"max_pvalue"`
			MinMagnitude float64 `json:"min_magnitude"`
			ChangePoints []int   `json:"change_points"`
		}
	}
	if err := json.Unmarshal(raw, &data); err != nil {
		t.Fatal(err)
	}
	if len(data.Vectors) != 10 {
		t.Fatalf("%d vectors, want 10", len(data.Vectors))
	}
	for _, v := range data.Vectors {
		var got []int
		for _, p := range ChangePoints(data.Series, ChangeOptions{v.Window, v.MaxPValue, v.MinMagnitude}) {
			got = append(got, p.Index)
		}
		if !slices.Equal(got, v.ChangePoints) {
			t.Errorf("%s: %v, want %v", v.Name, got, v.ChangePoints)
		}
	}
}

// TestChangePointsOfNoise: a step of three standard deviations is found within three points, and noise alone has few.
func TestChangePointsOfNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	found, alarms := 0, 0
	o := ChangeOptions{Window: 30, MaxP: 0.001}
	for range 200 {
		series := make([]float64, 100)
		for i := range series {
			series[i] = 1000 + rng.NormFloat64()
		}
		alarms += len(ChangePoints(series, o))
		for i := 60; i < 100; i++ {
			series[i] += 3
		}
		if slices.ContainsFunc(ChangePoints(series, o), func(p ChangePoint) bool { return p.Index >= 57 && p.Index <= 63 }) {
			found++
		}
	}
	if found < 196 || alarms > 20 {
		t.Errorf("%d of 200 steps found, %d alarms in 200 series without one", found, alarms)
	}
	if got := ChangePoints(make([]float64, 50), o); len(got) != 0 {
		t.Errorf("a constant series has steps: %v", got)
	}
	for n := range 4 {
		ChangePoints(make([]float64, n), o)
	}
}
