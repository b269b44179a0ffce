// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestShare(t *testing.T) {
	for text, want := range map[string]float64{"1%": 0.01, "0.02": 0.02, "1e-3": 0.001} {
		if got, err := share(text); err != nil || got != want {
			t.Errorf("share(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"nan", "NaN%", "inf", "+Inf%", "-inf", "0", "-1%", "", "%", "1e999"} {
		if got, err := share(text); err == nil {
			t.Errorf("share(%q) = %v, want an error", text, got)
		}
	}
}
