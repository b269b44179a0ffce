// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"testing"
	"time"
)

// TestDeadline: a limit grows with the time of a round of work, up to 20 times, and is not looked at before it has passed.
func TestDeadline(t *testing.T) {
	const limit = 10 * time.Second
	for _, tt := range []struct {
		name        string
		past        time.Duration
		round       time.Duration
		over, looks bool
	}{
		{"before the limit", limit - time.Second, fastRound, false, false},
		{"a fast machine", limit + time.Second, fastRound / 3, true, true},
		{"five times slower", 4 * limit, 5 * fastRound, false, true},
		{"five times slower, and longer", 6 * limit, 5 * fastRound, true, true},
		{"hardly moving", 19 * limit, 1000 * fastRound, false, true},
		{"hardly moving, and longer", 21 * limit, 1000 * fastRound, true, true},
	} {
		d, looked := NewDeadline(limit), false
		d.began = time.Now().Add(-tt.past)
		d.work = func() (int, time.Duration) {
			looked = true
			return 1000, 1000 * tt.round
		}
		if over := d.Over(); over != tt.over || looked != tt.looks {
			t.Errorf("%s: over %v, looked %v; want %v, %v", tt.name, over, looked, tt.over, tt.looks)
		}
	}
}

// TestWorkPipe: work is counted, for about as long as asked.
func TestWorkPipe(t *testing.T) {
	if rounds, took := workPipe(); rounds < 100 || took < workTime {
		t.Errorf("%d rounds in %v", rounds, took)
	}
}
