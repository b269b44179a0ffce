// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/verdict"
)

// TestAnswerNoise: an answer says the largest A/A difference of the units that it speaks of, and ranks no variants within it.
func TestAnswerNoise(t *testing.T) {
	for _, tt := range []struct {
		run, unit string
		not       []string
	}{
		{"swap-exact", "p50 force time", []string{"in front in class xdp"}},
		{"sched-nginx", "p99 time", nil},
		{"lb-host", "", nil},
	} {
		a := verdict.Analyze(answered(t, tt.run))
		text := strings.Join(Answer(a), " ")
		b := newBoard(a)
		most := verdict.Noise{}
		for _, n := range a.Noise {
			for _, need := range b.needs() {
				if n.Unit == need.Unit && strings.Contains(n.Cell, "workload="+need.Workload+"/") && !n.Difference && shift(n) > shift(most) {
					most = n
				}
			}
		}
		_, said, _ := strings.Cut(text, "measured twice differs by up to ")
		if want := strings.TrimLeft(most.ShiftText(), "+-"); !strings.HasPrefix(said, want) || !strings.Contains(said, tt.unit) {
			t.Errorf("%s: %q, want %s (%s)", tt.run, said, want, tt.unit)
		}
		for _, w := range tt.not {
			if strings.Contains(text, w) {
				t.Errorf("%s: it says %q: %s", tt.run, w, text)
			}
		}
	}
}

func shift(n verdict.Noise) float64 { return max(n.Shift, -n.Shift) }
