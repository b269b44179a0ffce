// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/verdict"
)

// mostNeeds is how many needs an answer speaks of.
const mostNeeds = 3

// named is how many variants of a class an answer names.
const named = 3

// A need is one that the definition names, with the panel that decides it.
type need struct {
	harness.Answer
	panel panel
}

// needs are those of the definition that the run measured.
func (b board) needs() (out []need) {
	for _, a := range b.a.Run.Env.Answers {
		for _, p := range b.all(a.Workload) {
			fits := func(w harness.AxisValue) bool {
				return slices.ContainsFunc(p.axes, func(v harness.AxisValue) bool { return v == w })
			}
			if p.unit == a.Unit && !slices.ContainsFunc(a.Where, func(w harness.AxisValue) bool { return !fits(w) }) {
				out = append(out, need{a, p})
				break
			}
		}
	}
	return out[:min(mostNeeds, len(out))]
}

// cited are the panels of a workload that the answer speaks of, the variants that it names there, and those that it names elsewhere, in the
// order in which it does.
func (b board) cited(workload string) (panels []panel, own, others []string) {
	here := map[string]bool{} // sentences about the workload
	for _, n := range b.needs() {
		if n.Workload != workload {
			continue
		}
		panels = append(panels, n.panel)
		for _, sentence := range b.told {
			here[sentence] = here[sentence] || strings.HasPrefix(sentence, n.Need+": ")
		}
	}
	for _, sentence := range b.told {
		for _, name := range b.mentioned(sentence) {
			if here[sentence] && !slices.Contains(own, name) {
				own = append(own, name)
			} else if !here[sentence] && !slices.Contains(others, name) {
				others = append(others, name)
			}
		}
	}
	own = harness.Filter(own, func(name string) bool { return name != b.baseline })
	return panels, own, others
}

// mentioned are the variants that a sentence names.
func (b board) mentioned(sentence string) []string {
	names := strings.FieldsFunc(sentence, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",;()[]", r) })
	return harness.Filter(harness.Map(names, func(n string) string { return strings.TrimRight(n, ".:") }), func(n string) bool {
		_, ok := b.a.Run.Env.Variant(n)
		return ok
	})
}

// byNeed is a sentence for each need, and the best of the baseline's class in the first need that has one; nil if none has.
func (b board) byNeed(needs []need) (lead *effect, out []string) {
	for _, n := range needs {
		effects := b.effects(n.panel)
		tested := harness.Filter(effects, func(e effect) bool { return e.Tested() })
		if len(tested) == 0 {
			if side := b.side(n.panel); side != "" {
				out = append(out, n.Need+": "+side)
			}
			continue
		}
		own := harness.Filter(tested, func(e effect) bool { return e.variant.Class == b.class() })
		if len(own) == 0 {
			own = tested
		}
		out = append(out, n.Need+": "+b.ranking(own)+b.others(tested, own[0].variant.Class)+".")
		if best := own[0]; lead == nil && best.Verdict == verdict.Better {
			lead = &best
		}
	}
	return lead, out
}

// ranking says of variants of one class, the best first, which are better than the baseline, or that none is.
func (b board) ranking(own []effect) string {
	better := harness.Filter(own, func(e effect) bool { return e.Verdict == verdict.Better })
	if len(better) == 0 {
		worse := harness.Filter(own, func(e effect) bool { return e.Verdict == verdict.Worse })
		text := fmt.Sprintf("no variant is shown better than %s", b.baseline)
		if len(worse) == len(own) {
			text += "; all are shown worse"
		} else if len(worse) > 0 {
			names := harness.Map(worse, func(e effect) string { return e.variant.Name })
			text += fmt.Sprintf("; shown worse: %s", strings.Join(names, ", "))
		}
		best := own[0]
		return text + "; of the best median, " + best.text(b.baseline, true)
	}
	text := better[0].text(b.baseline, true)
	if next := b.next(better[:min(named, len(better))]); len(next) > 0 {
		text += ", then " + strings.Join(next, ", ")
	}
	return text
}

// others names the best of each other class, which does other work.
func (b board) others(tested []effect, class string) string {
	var best []string
	for _, same := range harness.GroupBy(tested, func(e effect) string { return e.variant.Class }) {
		if e := same[0]; e.variant.Class != class && e.Verdict == verdict.Better {
			best = append(best, fmt.Sprintf("%s, class %s", e.brief(), e.variant.Class))
		}
	}
	if len(best) == 0 {
		return ""
	}
	return "; other classes do other work: " + strings.Join(best, "; ")
}

// brief is the variant and its effect without the interval: "tc-nat 4.7 % above".
func (e effect) brief() string {
	return e.variant.Name + " " + strings.TrimSuffix(factor(e.Against, e.panel.unit, false), " of")
}

// Weight is how much a run says about its question: the needs that it answers with enough trials, those for which it shows a difference,
// then the comparisons that it has.
func Weight(a *verdict.Analysis) int {
	b := newBoard(a)
	tested, _ := b.compared()
	answered, decided := 0, 0
	for _, n := range b.needs() {
		effects := harness.Filter(b.effects(n.panel), func(e effect) bool { return e.Tested() })
		answered += min(1, len(effects))
		decided += min(1, harness.Count(effects, func(e effect) bool { return e.Verdict == verdict.Better || e.Verdict == verdict.Worse }))
	}
	return 1_000_000*answered + 10_000*decided + len(tested)
}
