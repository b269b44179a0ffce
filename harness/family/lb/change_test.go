// SPDX-License-Identifier: Apache-2.0

package lb

import "testing"

// TestExcess: connections on the backend that leaves are lost unavoidably, and no others.
func TestExcess(t *testing.T) {
	for _, test := range []struct {
		lost, unavoidable, live int
		want                    float64
	}{{100, 100, 1000, 0}, {150, 100, 1000, 0.05}, {40, 100, 1000, 0}, {1000, 0, 1000, 1}} {
		if got := excess(test.lost, test.unavoidable, test.live); got != test.want {
			t.Errorf("%d lost of %d, %d unavoidable: %v, want %v", test.lost, test.live, test.unavoidable, got, test.want)
		}
	}
}
