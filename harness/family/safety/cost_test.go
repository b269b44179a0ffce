// SPDX-License-Identifier: Apache-2.0

package safety

import "testing"

// TestShapes: programs have the sizes that are asked for, and end.
func TestShapes(t *testing.T) {
	for name, make := range shapeOf {
		small, large := make(10), make(1000)
		if name != "loop" && len(large) < 50*len(small) || len(small) == 0 {
			t.Errorf("%s: %d instructions for size 10, %d for 1000", name, len(small), len(large))
		}
	}
	for _, value := range []string{"0", "-1", "x", "1000001", ""} {
		if n, err := parseSize(value); err == nil {
			t.Errorf("size %q: %d, want an error", value, n)
		}
	}
}
