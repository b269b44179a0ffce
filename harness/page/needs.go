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
			if p.unit == a.Unit && fits(a, p.axes) {
				out = append(out, need{a, p})
				break
			}
		}
	}
	return out
}

// fits reports whether axis values are those that a need names.
func fits(a harness.Answer, axes []harness.AxisValue) bool {
	return !slices.ContainsFunc(a.Where, func(w harness.AxisValue) bool { return !slices.Contains(axes, w) })
}

// cited are the panels of a workload that the answer speaks of, the variants that it names there, and those that it names elsewhere, in the
// order in which it does. Where it names all that serve a need wholly, those of ends take their place.
func (b board) cited(workload string) (panels []panel, own, others []string) {
	here := map[string]bool{} // sentences about the workload
	for _, n := range b.needs() {
		if n.Workload != workload {
			continue
		}
		panels = append(panels, n.panel)
		for _, sentence := range b.told {
			said := strings.TrimPrefix(strings.TrimPrefix(sentence, sayYes+": "), sayNo+": ")
			here[sentence] = here[sentence] || strings.HasPrefix(said, n.Need+": ")
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
	if ends, short := b.ends(workload); len(ends) > 0 {
		return panels, ends, short
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

// byNeed is a sentence for each need, then what the best of the baseline's class in the first need that has one costs; lead is that one, nil
// if none has. priced says whether a price was named.
func (b board) byNeed(needs []need) (lead *effect, out []string, priced bool) {
	chosen := harness.Filter(needs, func(n need) bool { return !n.Price })
	for _, n := range chosen[:min(mostNeeds, len(chosen))] {
		var text string
		switch {
		case n.Whole != 0:
			out = append(out, b.whole(n)...)
		case len(n.Of) > 0:
			text = b.named(n)
		default:
			var best *effect
			if text, best = b.chosen(n); lead == nil {
				lead = best
			}
		}
		if text != "" {
			out = append(out, n.Need+": "+text+".")
		}
	}
	if lead == nil {
		return lead, out, false
	}
	for _, n := range harness.Filter(needs, func(n need) bool { return n.Price }) {
		if text := b.price(n, lead.variant.Name); text != "" {
			out, priced = append(out, n.Need+": "+text+"."), true
		}
	}
	return lead, out, priced
}

// chosen says which variants serve a need better than the baseline, and returns the best of its class; nil if none is shown better. Where the
// trials are too few, it says values.
func (b board) chosen(n need) (text string, best *effect) {
	tested := harness.Filter(b.effects(n.panel), func(e effect) bool { return e.Tested() })
	if len(tested) == 0 {
		return b.side(n.panel), nil
	}
	own := harness.Filter(tested, func(e effect) bool { return e.variant.Class == b.class() })
	if len(own) == 0 {
		own = tested
	}
	if own[0].Verdict == verdict.Better {
		best = &own[0]
	}
	return b.ranking(own) + b.others(tested, own[0]), best
}

// price is what a variant is worse by than the baseline; "" if nothing is shown. Shares, which are fair or not by themselves, are said as
// values.
func (b board) price(n need, name string) string {
	e, ok := harness.Find(b.effects(n.panel), func(e effect) bool { return e.variant.Name == name })
	if !ok || !e.Tested() {
		return ""
	}
	if e.Verdict != verdict.Worse {
		return fmt.Sprintf("%s is not shown worse than %s", name, b.baseline)
	}
	if e.Difference {
		return fmt.Sprintf("%s %s, %s %s", name, n.panel.value(name), b.baseline, n.panel.value(b.baseline))
	}
	return e.text(b.baseline, false)
}

// yesOrNo begins a sentence with yes or no.
func yesOrNo(yes bool, text string) string {
	if yes {
		return sayYes + ": " + text
	}
	return sayNo + ": " + text
}

// The words of a question that is answered by yes or no.
const (
	sayYes     = "Yes"
	sayNo      = "No"
	sayUnknown = "Not known"
)

// named says how the variants that a question is about lie to those that they are held against; "" if the run has none of these pairs.
func (b board) named(n need) string {
	var parts []string
	for _, name := range n.Of {
		s := n.panel.cells[name]
		v, known := b.a.Run.Env.Variant(name)
		if s == nil || !known {
			continue
		}
		var against []string
		for _, over := range n.Over {
			if a, ok := b.a.Against(s, over); ok && a.Tested() {
				against = append(against, effect{n.panel, v, a}.text(over, len(against) > 0))
			}
		}
		if len(against) > 0 {
			parts = append(parts, strings.Join(against, ", and "))
		}
	}
	if len(parts) == 0 {
		return b.values(n.panel, slices.Concat(n.Of, n.Over))
	}
	return strings.Join(parts, "; ")
}

// ranking says of variants of one class, the best first, which are better than the baseline, or that none is.
func (b board) ranking(own []effect) string {
	better := harness.Filter(own, func(e effect) bool { return e.Verdict == verdict.Better })
	best := own[0]
	if len(better) == 0 {
		worse := harness.Map(harness.Filter(own, func(e effect) bool { return e.Verdict == verdict.Worse }), func(e effect) string { return e.variant.Name })
		if len(worse) == len(own) {
			return fmt.Sprintf("all others are shown worse than %s; the least so: %s", b.baseline, best.text(b.baseline, false))
		}
		text := fmt.Sprintf("no variant is shown better than %s (%s)", b.baseline, strings.Join(b.undecided(own), ", "))
		if len(worse) > 0 {
			text += "; shown worse: " + strings.Join(worse, ", ")
		}
		return text
	}
	text, form := best.text(b.baseline, false), formOf(best.Against)
	for i, e := range better[1:min(named, len(better))] {
		text += ", " + b.behind(better[i], e, form)
	}
	return text
}

// undecided are the first effects, in the order of the definition, of which no difference is shown.
func (b board) undecided(own []effect) (out []string) {
	for _, v := range b.a.Run.Env.Variants {
		e, ok := harness.Find(own, func(e effect) bool { return e.variant.Name == v.Name })
		switch {
		case !ok || e.Verdict == verdict.Worse || len(out) == named:
		case len(out) == 0:
			out = append(out, e.text(b.baseline, false))
		default:
			out = append(out, e.brief(inWords))
		}
	}
	return out
}

// others names the best of each class but that of the effect that was named before, which does other work.
func (b board) others(tested []effect, first effect) string {
	var best []string
	for _, same := range harness.GroupBy(tested, func(e effect) string { return e.variant.Class }) {
		if e := same[0]; e.variant.Class != first.variant.Class && e.Verdict == verdict.Better {
			best = append(best, fmt.Sprintf("%s (class %s)", e.brief(formOf(first.Against)), e.variant.Class))
		}
	}
	if len(best) == 0 {
		return ""
	}
	return "; other classes, which do other work: " + strings.Join(best, ", ")
}

// Weight is how much a run says about its question: the needs that it answers with enough trials, then whether its commit is known, then the
// needs for which it shows a difference, then the comparisons that it has. Of a run with fates the faults whose fate is as recorded count
// instead of needs, and half of them if a cell failed.
func Weight(a *verdict.Analysis) int {
	b := newBoard(a)
	tested, _ := b.compared()
	answered, decided := 0, 0
	for _, n := range b.needs() {
		effects := harness.Filter(b.effects(n.panel), func(e effect) bool { return e.Tested() })
		answered += min(1, len(effects))
		decided += min(1, harness.Count(effects, func(e effect) bool { return e.Verdict == verdict.Better || e.Verdict == verdict.Worse }))
	}
	known := 0
	if a.Run.Env.Commit != "" {
		known = 1
	}
	fates := fatesOf(a)
	answered += harness.Count(fates, func(f fated) bool { return !f.failed && f.cell.Variant != b.baseline })
	if slices.ContainsFunc(fates, func(f fated) bool { return f.failed }) {
		answered /= 2
	}
	return 10_000_000*answered + 1_000_000*known + 10_000*decided + len(tested)
}
