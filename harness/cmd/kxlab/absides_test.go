// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
)

// TestShown: the first seeds say something of numbers, and nothing of a side that has none.
func TestShown(t *testing.T) {
	for _, c := range []struct {
		failed, want string // the variant of B without a number: all, or none
	}{{"", "no difference is shown yet"}, {"all", ""}} {
		a, b := synthetic.ExactPair(1, 1, 0)
		b.Trials = harness.Filter(b.Trials, func(harness.Trial) bool { return c.failed == "" })
		m := sides{pair: &pair{words: [2]string{"a", "b"}}}
		if got := m.shown([2]*record.Run{a, b}, 2); got != c.want {
			t.Errorf("without a number of %q: %q, want %q", c.failed, got, c.want)
		}
	}
}
