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

// TestClaimCells: profile quick measures the cells of each claim, both on one target.
func TestClaimCells(t *testing.T) {
	claims, err := experiments.Claims()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range claims {
		if c.Cannot != "" {
			continue
		}
		e, err := experiments.Open(c.Experiment, vocabulary())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(e.TargetsOr(), func(target string) bool {
			plan, err := runner.NewPlan(e, runner.Selection{Profile: "quick", Target: target})
			if err != nil {
				t.Fatal(err)
			}
			one := func(s harness.CellSelector) bool {
				n := 0
				for _, g := range plan.Groups {
					for _, b := range g.Blocks {
						n += harness.Count(b.Cells, s.Matches)
					}
				}
				return n == 1
			}
			if c.Worst != "" { // of all variants
				return slices.ContainsFunc(e.Variants, func(v harness.Variant) bool {
					s := c.Numerator
					s.Variant = v.Name
					return one(s)
				})
			}
			return one(c.Numerator) && one(c.Denominator)
		}) {
			t.Errorf("claim %s: no target of %s has a cell of each side in profile quick", c.ID, e.Name)
		}
	}
}

// TestScoreCells: each score has its cell in some profile on some target. One that no run can have would never be checked.
func TestScoreCells(t *testing.T) {
	for _, name := range []string{"lb", "cc", "sched", "objects"} {
		e, err := experiments.Open(name, vocabulary())
		if err != nil {
			t.Fatal(err)
		}
		var cells []harness.Cell
		for _, target := range e.TargetsOr() {
			for _, profile := range e.Profiles {
				plan, err := runner.NewPlan(e, runner.Selection{Profile: profile.Name, Target: target})
				if err != nil {
					continue // a profile may have nothing for a target
				}
				for _, g := range plan.Groups {
					for _, b := range g.Blocks {
						cells = append(cells, b.Cells...)
					}
				}
			}
		}
		for _, score := range e.Scores {
			for _, v := range []string{score.Variant, score.Over} {
				if v != "" && !slices.ContainsFunc(cells, harness.CellSelector{Workload: score.Workload, Variant: v, Where: score.Where}.Matches) {
					t.Errorf("%s: score %s: no profile has its cell of %s", name, score.Name, v)
				}
			}
		}
	}
}
