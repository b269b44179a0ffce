// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// Answer is what a run says, in two to six sentences that are made from its data by these rules:
//
//  1. Of each need that the definition names (harness.Answer) and the run measured, three at most, it is said which variants are shown
//     better than the baseline, those of its own class before the best of others; or whether any variant serves the need wholly; or how
//     the variants that the question names lie to those that they are held against. Then follows what the best costs. Without such needs,
//     the first panel in which a variant is shown better than the baseline names the best of the baseline's class, and the best of each other
//     class, which do other work.
//  2. Without such needs: of all other panels, the largest ratio by which a variant of the baseline's class is better is named.
//  3. The cells in which the best of 1 is worse than the baseline are counted, and the worst is named if no price was.
//  4. It is said how many trials there were, and how far apart one variant measured twice is at most in the units of these sentences.
//  5. Claims, scores and laws are counted by their verdicts. On a page, which has a table of each, this sentence stands there.
//
// A run with fates (harness.Fate) says instead how many faults did harm.
//
// Where the trials are too few to show a difference, values of the first two workloads stand side by side in the order of the definition, and
// nothing is called a difference, none or the best.
func Answer(a *verdict.Analysis) []string {
	b := newBoard(a)
	return slices.Concat(b.answer(), b.judged())
}

// answer is the sentences of rules 1 to 4.
func (b board) answer() []string {
	if told := b.fates(); len(told) > 0 {
		return told
	}
	if len(b.workloads) == 0 {
		return []string{"Nothing was measured."}
	}
	tested, weak := b.compared()
	if len(tested) == 0 {
		return b.weak(len(weak))
	}
	if needs := b.needs(); len(needs) > 0 {
		lead, out, priced := b.byNeed(needs)
		spoken := harness.Map(needs, func(n need) panel { return n.panel })
		if lead != nil {
			out = append(out, b.cost(*lead, tested, priced))
			if !priced {
				spoken = append(spoken, panelsOfEffects(worst(*lead, tested))...)
			}
		}
		return append(out, b.sure(tested, weak, spoken))
	}
	var out []string
	var spoken []panel
	lead, first := b.lead()
	if lead == nil {
		out = append(out, fmt.Sprintf("No variant is shown better than %s in any of %s.", b.baseline, plural(len(tested), "comparison")))
		if len(weak) > 0 {
			out = append(out, b.sides(2)...)
		}
		for _, w := range b.workloads {
			spoken = append(spoken, b.main[w]...)
		}
	} else {
		spoken = append([]panel{lead.panel}, panelsOfEffects(append(gained(*lead, tested), worst(*lead, tested)...))...)
		out = append(out, first)
		out = append(out, b.largest(*lead, tested)...)
		out = append(out, b.cost(*lead, tested, false))
	}
	return append(out, b.sure(tested, weak, spoken))
}

// compared are the effects in the main panels and in the other units of each workload's first, with enough trials and without.
func (b board) compared() (tested, weak []effect) {
	for _, w := range b.workloads {
		for _, p := range slices.Concat(b.main[w], b.more[w]) {
			for _, e := range b.effects(p) {
				if e.Tested() {
					tested = append(tested, e)
				} else {
					weak = append(weak, e)
				}
			}
		}
	}
	return tested, weak
}

// class is the class of the baseline.
func (b board) class() string {
	v, _ := b.a.Run.Env.Variant(b.baseline)
	return v.Class
}

// lead is the best of the baseline's class in the first panel where it is shown better, or of any class if it is alone in its own, with the
// sentence about it.
func (b board) lead() (*effect, string) {
	for _, w := range b.workloads {
		for _, p := range b.main[w] {
			all := b.effects(p)
			own := harness.Filter(all, func(e effect) bool { return e.variant.Class == b.class() })
			if len(own) == 0 {
				own = all
			}
			if len(own) == 0 || own[0].Verdict != verdict.Better {
				continue
			}
			best := own[0]
			return &best, fmt.Sprintf("%s: %s%s.", best.heading(), best.text(b.baseline, false), b.others(all, best))
		}
	}
	return nil, ""
}

// largest is the sentence about the largest ratio by which a variant of the lead's class is better elsewhere.
func (b board) largest(lead effect, tested []effect) []string {
	return harness.Map(gained(lead, tested), func(most effect) string {
		return fmt.Sprintf("Most is gained in %s: %s.", most.heading(), most.text(b.baseline, false))
	})
}

// gained is the effect with the largest ratio by which a variant of the lead's class is better elsewhere, if there is one.
func gained(lead effect, tested []effect) []effect {
	var most effect
	for _, e := range tested {
		elsewhere := e.panel.workload != lead.panel.workload || e.panel.where != lead.panel.where
		if elsewhere && e.Verdict == verdict.Better && !e.Difference && e.variant.Class == lead.variant.Class && e.size() > most.size() {
			most = e
		}
	}
	if most.size() == 0 {
		return nil
	}
	return []effect{most}
}

// size is how far a quotient is from 1.
func (e effect) size() float64 {
	if e.Effect.N == 0 || e.Difference || e.Effect.Median <= 0 {
		return 0
	}
	return math.Abs(math.Log(e.Effect.Median))
}

// cost is the sentence about where the lead is worse. It names the worst place unless a price has been named.
func (b board) cost(lead effect, tested []effect, priced bool) string {
	own, worse := shownWorse(lead, tested)
	if len(worse) == 0 {
		return fmt.Sprintf("%s is shown worse in none of %s.", lead.variant.Name, plural(len(own), "comparison"))
	}
	text := fmt.Sprintf("%s is shown worse in %d of %s", lead.variant.Name, len(worse), plural(len(own), "comparison"))
	if priced {
		return text + "."
	}
	worst := worst(lead, tested)[0]
	return fmt.Sprintf("%s, such as %s: %s.", text, worst.heading(), worst.text(b.baseline, false))
}

// shownWorse are the comparisons of the lead, and those in which it is shown worse.
func shownWorse(lead effect, tested []effect) (own, worse []effect) {
	own = harness.Filter(tested, func(e effect) bool { return e.variant.Name == lead.variant.Name })
	return own, harness.Filter(own, func(e effect) bool { return e.Verdict == verdict.Worse })
}

// worst is the effect in which the lead is worst, if it is shown worse in any.
func worst(lead effect, tested []effect) []effect {
	_, worse := shownWorse(lead, tested)
	if len(worse) == 0 {
		return nil
	}
	return []effect{slices.MaxFunc(worse, func(x, y effect) int { return cmp.Compare(x.size(), y.size()) })}
}

func plural(n int, noun string) string { return harness.Plural(n, noun) }

// sure is the sentence about how sure the others are, which speak of those panels.
func (b board) sure(tested, weak []effect, spoken []panel) string {
	least, level := math.MaxInt, 1.0
	for _, e := range tested {
		least, level = min(least, e.Effect.N), min(level, e.Effect.Confidence)
	}
	text := fmt.Sprintf("Intervals are of %s of trials or more, at %s", plural(least, "pair"), unit.Percent(level, false))
	text += b.noise(spoken)
	if len(weak) > 0 {
		text += fmt.Sprintf("; %s had too few trials: nothing there is called a difference or none", plural(len(weak), "comparison"))
	}
	return text + "."
}

// judged is the sentence about claims, scores and laws that the run speaks to.
func (b board) judged() []string {
	var parts []string
	for _, v := range []string{verdict.Shown, verdict.Contradicted, verdict.NotShown} {
		found := harness.Filter(b.a.Findings, func(f verdict.Finding) bool { return f.Verdict == v && f.Ratio.Confidence >= stats.Enough })
		if len(found) > 0 {
			ids := harness.Map(found, func(f verdict.Finding) string { return f.Claim.ID })
			parts = append(parts, fmt.Sprintf("%s %s (%s)", plural(len(found), "claim"), v, strings.Join(ids, ", ")))
		}
	}
	count := func(outcomes []string, noun, passed, failed string) {
		good := harness.Count(outcomes, func(o string) bool { return o == verdict.Passed })
		bad := harness.Count(outcomes, func(o string) bool { return o == verdict.Failed })
		if good+bad > 0 {
			parts = append(parts, fmt.Sprintf("%s %s, %d %s", plural(good, noun), passed, bad, failed))
		}
	}
	count(harness.Map(b.a.Scores, func(s verdict.ScoreResult) string { return s.Outcome }), "score", "passed", "failed")
	count(harness.Map(b.a.Laws, func(l verdict.LawResult) string { return l.Outcome }), "law", "held", "broken")
	if len(parts) == 0 {
		return nil
	}
	text := strings.Join(parts, "; ") + "."
	return []string{strings.ToUpper(text[:1]) + text[1:]}
}

func place(p panel) string {
	if p.where == "" {
		return p.workload
	}
	return p.workload + " at " + p.where
}

// heading is an effect's place, and what was measured there if text does not say it: "pipe, time per operation".
func (e effect) heading() string {
	if time, _ := kindOf(e.panel.unit); time && !e.Difference {
		return place(e.panel) + ", " + unit.Words(e.panel.unit)
	}
	return place(e.panel)
}
