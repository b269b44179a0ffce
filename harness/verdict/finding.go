// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
)

// The verdicts on a claim.
const (
	Shown        = "shown"                 // the whole interval is on the claim's side of its figure
	NotShown     = "not shown"             // the interval holds the figure, or there were too few repeats
	Contradicted = "contradicted"          // the whole interval is on the other side
	CannotTest   = "cannot be tested here" // this run has nothing to say
)

// A Finding is what a run says about a claim: a ratio below the claimed figure contradicts it even if it is on the same side of
// 1, which Why then says.
type Finding struct {
	Claim   harness.Claim `json:"claim"`
	Asked   bool          `json:"asked"` // the run has both cells, measured or not
	Ratio   stats.Summary `json:"ratio"` // numerator over denominator, paired by repeat; N = 0 if it cannot be tested
	Verdict string        `json:"verdict"`
	Why     string        `json:"why"`
}

// findings evaluates all claims that the run knows.
func (a *Analysis) findings() []Finding {
	own := harness.Filter(a.Run.Env.Claims, func(c harness.Claim) bool { return c.Experiment == "" || c.Experiment == a.Run.Env.Experiment })
	return harness.Map(own, a.Evaluate)
}

// Evaluate tests a claim. Trials of one repeat are interleaved, so the quotient is taken in each repeat and its median and
// interval over the repeats.
func (a *Analysis) Evaluate(c harness.Claim) Finding {
	f := Finding{Claim: c, Verdict: CannotTest, Why: c.Cannot}
	if c.Cannot != "" {
		return f
	}
	if c.Worst != "" {
		return a.worst(c)
	}
	f.Asked = a.has(c.Numerator) && a.has(c.Denominator)
	num, why := a.pick(c.Numerator, c.Unit)
	if num == nil {
		f.Why = why
		return f
	}
	den, why := a.pick(c.Denominator, c.Unit)
	if den == nil {
		f.Why = why
		return f
	}
	q, ok := PairedRatio(num, den)
	if f.Ratio = q; !ok {
		f.Why = "no repeat has both cells, or the divisor is 0"
		return f
	}
	holds := func(x float64) bool { return x >= c.Figure }
	if c.Relation == "<=" {
		holds = func(x float64) bool { return x <= c.Figure }
	}
	lo, hi := holds(q.Lo), holds(q.Hi)
	at := fmt.Sprintf("%s [%s, %s] at %s, claimed %s %s", unit.Beside(q.Median, c.Figure), unit.Beside(q.Lo, c.Figure), unit.Beside(q.Hi, c.Figure),
		unit.Percent(q.Confidence, false), c.Relation, unit.Digits(c.Figure))
	switch {
	case q.Confidence < stats.Enough:
		f.Verdict, f.Why = NotShown, at+fmt.Sprintf("; %d repeats are too few to decide, 5 are needed", q.N)
	case lo && hi:
		f.Verdict, f.Why = Shown, at
	case !lo && !hi:
		f.Verdict, f.Why = Contradicted, at
		if (q.Median > 1) == (c.Figure > 1) && c.Figure != 1 {
			f.Why += "; it points the same way"
		}
	default:
		f.Verdict, f.Why = NotShown, at+"; the interval holds the figure"
	}
	return f
}

// has reports whether the run measured a cell that a selector selects, or tried to.
func (a *Analysis) has(sel harness.CellSelector) bool {
	return slices.ContainsFunc(a.Samples, func(s *record.Sample) bool { return sel.Matches(s.Cell) }) ||
		slices.ContainsFunc(a.Run.Unmeasured(), func(o record.CellOutcome) bool {
			c, err := record.ParseCell(a.Run.Env.Experiment, o.Cell)
			return err == nil && sel.Matches(c)
		})
}

// pick finds the one sample that a selector selects, or says why there is none. Several cells that match, where the selector
// leaves an axis open, are none.
func (a *Analysis) pick(sel harness.CellSelector, unit string) (*record.Sample, string) {
	var found *record.Sample
	for _, s := range a.Samples {
		if s.Unit != unit || !sel.Matches(s.Cell) {
			continue
		}
		if found != nil {
			return nil, fmt.Sprintf("both %s and %s fit the claim", found.Cell.BenchName(), s.Cell.BenchName())
		}
		found = s
	}
	if found != nil {
		return found, ""
	}
	for _, o := range a.Run.Unmeasured() {
		if c, err := record.ParseCell(a.Run.Env.Experiment, o.Cell); err == nil && sel.Matches(c) {
			return nil, o.Cell + " has no number, " + o.Brief()
		}
	}
	where := ""
	for _, a := range sel.Where {
		where += fmt.Sprintf(" %s=%s", a.Name, a.Value)
	}
	return nil, fmt.Sprintf("this run did not measure %s of %s under %s%s", unit, sel.Variant, sel.Workload, where)
}
