// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"

	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

func equivalenceGrid(all []verdict.Equivalence) grid {
	g := grid{title: "Equivalence of ports with their originals", head: []string{"variant", "original", "verdict", "one against one", "cost", "where", "why"}}
	for _, e := range all {
		versus, cost := "-", "-"
		if e.VersusN > 0 {
			versus = unit.Percent(e.Versus, false)
		}
		if e.VersusN == 1 {
			versus += ", one trial"
		}
		if e.Cost > 0 {
			cost = "x " + unit.Digits(e.Cost)
		}
		g.rows = append(g.rows, []string{controlName(e.Variant, e.Control), e.Original, e.Verdict, versus, cost, e.Where, e.Why})
	}
	g.footer = "two one-sided t tests on paired seeds (Schuirmann 1987), each at 5 %; margins: goodput 3 %, round trips 5 %, resent a quarter of the original's share and at least 0.1 points; one against one: a one-sided t test at 5 % that the mean Jain's index is at least 0.95"
	return g
}

// controlName marks a variant that differs on purpose.
func controlName(variant string, control bool) string {
	if control {
		return variant + " (wrong on purpose)"
	}
	return variant
}

func scoreGrid(all []verdict.ScoreResult) grid {
	g := grid{title: "Scores", head: []string{"score", "outcome", "measured", "stands for"}}
	count := map[string]int{}
	for _, s := range all {
		if count[s.Outcome]++; s.Outcome == verdict.NotMeasured {
			continue // the JSON has them with the reason
		}
		g.rows = append(g.rows, []string{s.Score.Name, s.Outcome, s.Why, s.Score.About})
	}
	g.footer = fmt.Sprintf("%d passed, %d failed, %d not measured", count[verdict.Passed], count[verdict.Failed], count[verdict.NotMeasured])
	return g
}

func lawGrid(all []verdict.LawResult) grid {
	g := grid{title: "Laws", head: []string{"law", "variant", "measured", "predicted", "off by", "tolerance", "verdict", "source"}}
	count := map[string]int{}
	for _, j := range all {
		if count[j.Outcome]++; j.Outcome == verdict.NotMeasured {
			continue // the JSON has them with the reason
		}
		sc := unit.ScaleFor(j.Law.Unit, []float64{j.Predicted})
		g.rows = append(g.rows, []string{
			j.Law.Name, controlName(j.Variant, j.Control), sc.Format(j.Value) + " " + sc.Unit, sc.Format(j.Predicted) + " " + sc.Unit,
			unit.Percent(j.Value/j.Predicted-1, true), j.Bound(), j.Outcome, j.Source,
		})
	}
	g.footer = fmt.Sprintf("%d held, %d broken, %d not measured; one that is wrong on purpose holds the test, by breaking its law",
		count[verdict.Passed], count[verdict.Failed], count[verdict.NotMeasured])
	return g
}
