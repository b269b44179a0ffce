// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/runner"
)

// TestLawCells: profile laws measures the cell of each law with each of its variants, so that its report has a row for each.
func TestLawCells(t *testing.T) {
	e, err := experiments.Open("cc", vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := runner.NewPlan(e, runner.Selection{Profile: "laws", Target: harness.TargetExact})
	if err != nil {
		t.Fatal(err)
	}
	var cells []harness.Cell
	for _, g := range plan.Groups {
		for _, b := range g.Blocks {
			cells = append(cells, b.Cells...)
		}
	}
	for _, l := range e.Laws {
		for _, v := range l.Variants {
			s := harness.CellSelector{Workload: l.Workload, Variant: v, Where: l.Where}
			n := 0
			for _, c := range cells {
				if s.Matches(c) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("law %s of %s: profile laws has %d cells, want 1", l.Name, v, n)
			}
		}
	}
	if slices.ContainsFunc(e.Laws, func(l harness.Law) bool { return len(l.Variants) == 0 }) || len(e.Laws) < 11 {
		t.Errorf("%d laws, or one without a variant", len(e.Laws))
	}
}
