// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record/synthetic"
)

// TestSplitStacks: each side has the stacks of its own variant, under the name of A.
func TestSplitStacks(t *testing.T) {
	r := synthetic.Golden()
	c := r.Trials[0].Cell
	for _, v := range []string{"a", "b", "other"} {
		c.Variant = v
		r.Stacks = append(r.Stacks, profile.Profile{Cell: c.BenchName(), Kind: profile.OnCPU, Unit: v})
	}
	a, b := Split(r, "a", "b")
	if len(a.Stacks) != 1 || len(b.Stacks) != 1 || a.Stacks[0].Unit != "a" || b.Stacks[0].Unit != "b" {
		t.Fatalf("A has %+v, B %+v", a.Stacks, b.Stacks)
	}
	if b.Stacks[0].Cell != a.Stacks[0].Cell || !strings.Contains(b.Stacks[0].Cell, "variant=a/") {
		t.Errorf("cells %s and %s", a.Stacks[0].Cell, b.Stacks[0].Cell)
	}
}
