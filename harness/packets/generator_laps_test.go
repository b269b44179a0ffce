// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/bpf/abi"
)

// TestLaps: the times between looks at the clock, in their order; those that were written over are gone.
func TestLaps(t *testing.T) {
	var s abi.TrafficState
	look := func(now uint64) {
		s.Laps[s.Looks%abi.TrafficLaps] = now
		s.Looks++
	}
	if got := laps(&s); len(got) != 0 {
		t.Errorf("before the first look: %v", got)
	}
	look(100)
	look(150)
	look(151)
	if diff := cmp.Diff([]time.Duration{50, 1}, laps(&s)); diff != "" {
		t.Error(diff)
	}
	for i := range uint64(abi.TrafficLaps) {
		look(1000 + 10*i)
	}
	got := laps(&s)
	if len(got) != abi.TrafficLaps-1 || got[0] != 10 || got[len(got)-1] != 10 {
		t.Errorf("%d laps: %v", len(got), got)
	}
}
