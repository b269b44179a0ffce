// SPDX-License-Identifier: Apache-2.0

package runner_test

import (
	"testing"

	"github.com/kxlab/kxlab/harness/runner"
)

// TestRepeatsAreASample: a block's packets have another seed in each repeat, and blocks come in another order.
func TestRepeatsAreASample(t *testing.T) {
	e := experiment()
	const repeats = 20
	e.Profiles[0].Repeats = repeats
	p, err := runner.NewPlan(e, runner.Selection{Profile: "quick", Workloads: []string{"pps"}})
	if err != nil {
		t.Fatal(err)
	}
	seeds := map[uint64]bool{}
	first := map[string]int{} // which block began a repeat
	begun := map[int]bool{}
	for _, s := range p.Groups[0].Order(1) {
		if s.Cell.Axis("flows") == "1" {
			seeds[s.Seed] = true
		}
		if !begun[s.Repeat] {
			begun[s.Repeat] = true
			first[s.Cell.Axis("flows")]++
		}
	}
	if len(seeds) != repeats {
		t.Errorf("%d repeats of a block have %d seeds", repeats, len(seeds))
	}
	if len(first) < 2 {
		t.Errorf("the same block began all of %d repeats: %v", repeats, first)
	}
}
