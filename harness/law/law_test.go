// SPDX-License-Identifier: Apache-2.0

package law

import (
	"math"
	"testing"
)

// The values are those of the sources: RFC 9438 prints tables of section 5.1 (RTT 0.1 s and 0.01 s) and figure 4's 1.2/sqrt(p).
func TestFormulas(t *testing.T) {
	for _, tt := range []struct {
		formula string
		params  map[string]float64
		want    float64
		within  float64 // relative
	}{
		{"aimd-window", map[string]float64{"alpha": 1, "beta": 0.5, "loss": 0.01}, 12, 0.03},
		{"aimd-window", map[string]float64{"alpha": 1, "beta": 0.5, "loss": 1e-4}, 120, 0.03},
		{"cubic-window", map[string]float64{"c": 0.4, "beta": 0.7, "rtt": 0.1, "loss": 1e-4}, 187, 0.01},
		{"cubic-window", map[string]float64{"c": 0.4, "beta": 0.7, "rtt": 0.1, "loss": 1e-8}, 187_000, 0.01},
		{"cubic-window", map[string]float64{"c": 0.4, "beta": 0.7, "rtt": 0.01, "loss": 1e-2}, 12, 0.03},
		{"padhye-window", map[string]float64{"loss": 0.05, "rtt": 0.1, "rto": 0.3}, 4.0, 0.01},
		{"aimd-period", map[string]float64{"alpha": 1, "beta": 0.5, "peak": 60, "rtt": 0.1}, 3, 1e-9},
		{"cubic-k", map[string]float64{"c": 0.4, "gap": 0.4 * 27}, 3, 1e-9},
		{"link", map[string]float64{"rate": 20e6}, 19.13e6, 0.001},
		{"constant", map[string]float64{"value": 3}, 3, 0},
	} {
		f, err := Find(tt.formula)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Value(tt.params)
		if err != nil || math.Abs(got/tt.want-1) > tt.within {
			t.Errorf("%s(%v) = %v (%v), want %v", tt.formula, tt.params, got, err, tt.want)
		}
	}
}

func TestFormulaRefuses(t *testing.T) {
	if _, err := Find("reno"); err == nil {
		t.Error("an unknown formula was found")
	}
	f, _ := Find("cubic-k")
	for _, p := range []map[string]float64{{"c": 0.4}, {"c": 0, "gap": 1}, {"c": 0.4, "gap": 0}} {
		if v, err := f.Value(p); err == nil {
			t.Errorf("%v: %v and no error", p, v)
		}
	}
}
