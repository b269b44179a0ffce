// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
)

// mostWorse is how many variants the reason of a claim about fates names of a fate.
const mostWorse = 4

// worst tests a claim about the worst fate of all variants in the cells that its numerator names. A fate is no measurement: one trial decides.
// It is contradicted by each worse fate, also one found in a cell that failed, and shown only if no cell lacks its fate.
func (a *Analysis) worst(c harness.Claim) Finding {
	f := Finding{Claim: c, Verdict: CannotTest}
	limit, err := harness.ParseFate(c.Worst)
	if err != nil {
		f.Why = err.Error()
		return f
	}
	in := func(cell harness.Cell) bool {
		sel := c.Numerator
		sel.Variant = cell.Variant
		return sel.Matches(cell)
	}
	worse := map[harness.Fate][]string{}
	most := harness.FateRefused
	add := func(cell harness.Cell, fate harness.Fate) {
		if cell.Variant == a.Run.Env.Baseline { // which has no fault
			return
		}
		f.Ratio.N++
		if most = max(most, fate); fate > limit {
			worse[fate] = append(worse[fate], cell.Variant)
		}
	}
	for _, s := range a.Samples {
		if s.Unit == harness.UnitFate && in(s.Cell) {
			add(s.Cell, harness.Fate(slices.Max(s.Values)))
		}
	}
	lacking := 0
	for _, o := range a.Run.Unmeasured() {
		cell, err := record.ParseCell(a.Run.Env.Experiment, o.Cell)
		if err != nil || !in(cell) || o.Outcome == harness.OutcomeNotSupported {
			continue
		}
		if fate, err := harness.ParseFate(o.Fate); err == nil {
			add(cell, fate)
		} else {
			lacking++
		}
	}
	f.Asked = f.Ratio.N+lacking > 0
	if f.Ratio.N == 0 {
		f.Why = "this run measured no fate under " + c.Numerator.Workload
		return f
	}
	f.Ratio.Median, f.Ratio.Lo, f.Ratio.Hi, f.Ratio.Confidence = float64(most), float64(most), float64(most), 1
	var parts []string
	for fate := most; fate > limit; fate-- {
		if names := slices.Sorted(slices.Values(worse[fate])); len(names) > 0 {
			if more := len(names) - mostWorse; more > 0 {
				names = append(names[:mostWorse:mostWorse], fmt.Sprintf("and %d more", more))
			}
			parts = append(parts, fmt.Sprintf("%v: %s", fate, strings.Join(names, ", ")))
		}
	}
	of := fmt.Sprintf("of %s, claimed none worse than %v", harness.Plural(f.Ratio.N, "fault"), limit)
	switch {
	case len(parts) > 0:
		f.Verdict, f.Why = Contradicted, strings.Join(parts, "; ")+"; "+of
	case lacking > 0 || f.Ratio.Confidence < stats.Enough:
		f.Verdict, f.Why = NotShown, fmt.Sprintf("%d have no fate, %s", lacking, of)
	default:
		f.Verdict, f.Why = Shown, fmt.Sprintf("the worst is %v, %s", most, of)
	}
	return f
}

// judgeFate sets the verdict of a row of fates, on every target. One trial against one decides, of several the worst: the fates are the same or
// differ, and harm where there was none is worse.
func judgeFate(r Row) Row {
	before, after := harness.Fate(slices.Max(r.old.Values)), harness.Fate(slices.Max(r.new.Values))
	r.OldFate, r.NewFate = before.String(), after.String()
	switch {
	case before == after:
		r.Verdict = same
	case before.Harmful() == after.Harmful():
		r.Verdict = Differs
	case after.Harmful():
		r.Verdict = Worse
	default:
		r.Verdict = Better
	}
	return r
}
