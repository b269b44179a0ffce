// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"testing"
	"time"
)

// TestTooMuchStolen: a trial may lose a twentieth of the CPUs' time and a tick of the clock that counts it.
func TestTooMuchStolen(t *testing.T) {
	for _, tt := range []struct {
		stolen, wall time.Duration
		cpus         int
		want         bool
	}{
		{0, time.Second, 1, false},
		{60 * time.Millisecond, time.Second, 1, false},
		{61 * time.Millisecond, time.Second, 1, true},
		{110 * time.Millisecond, time.Second, 2, false},
		{111 * time.Millisecond, time.Second, 2, true},
		{10 * time.Millisecond, time.Millisecond, 1, false},
		{20 * time.Millisecond, time.Millisecond, 1, true},
	} {
		if got := tooMuchStolen(tt.stolen, tt.wall, tt.cpus); got != tt.want {
			t.Errorf("%v of %v on %d CPUs: %v", tt.stolen, tt.wall, tt.cpus, got)
		}
	}
}
