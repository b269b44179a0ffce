// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"testing"
)

func TestTailT(t *testing.T) {
	for _, tt := range []struct{ t, df, want float64 }{ // from tables of the distribution
		{12.706, 1, 0.05}, {2.306, 8, 0.05}, {3.355, 8, 0.01}, {2.042, 30, 0.05}, {0, 5, 1}, {1.960, 1e5, 0.05},
	} {
		if got := TailT(tt.t, tt.df); math.Abs(got-tt.want) > 2e-4 {
			t.Errorf("tailT(%v, %v) = %v, want %v", tt.t, tt.df, got, tt.want)
		}
	}
}
