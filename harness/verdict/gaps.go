// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// gaps lists what the comparison cannot say: of a run that ended early, of noise without an A/A pair, of facts that one run does not
// record, of rows that were not judged.
func (c *Comparison) gaps(old, new *Analysis) {
	for _, a := range []*Analysis{old, new} {
		if !a.Run.Env.Complete {
			c.Gaps = append(c.Gaps, fmt.Sprintf("%s is %s", a.Run.Dir, a.Run.State()))
		}
	}
	for _, side := range []struct {
		which     string
		has, less *Analysis
	}{{"old", new, old}, {"new", old, new}} {
		if names, n := c.lostAA(side.has, side.less); n > 0 {
			c.Gaps = append(c.Gaps, fmt.Sprintf("the %s run has no A/A of %s, in %s: its noise there is not known", side.which, names, harness.Plural(n, "row")))
		}
	}
	c.Gaps = append(c.Gaps, c.unrecorded(&old.Run.Env, &new.Run.Env)...)
	if n := c.unjudged(); n > 0 {
		c.Gaps = append(c.Gaps, fmt.Sprintf("%d of %s %s not judged: %s%s", n, harness.Plural(len(c.Rows), "row"), harness.Were(n), strings.Join(c.counts(unjudgedWords), ", "), c.more()))
	}
}

// more says how rows that were not judged can be, if more trials help.
func (c *Comparison) more() string {
	if c.unjudged() == c.Count(NotKnown) {
		return ""
	}
	if c.Count(NoSeed) > 0 {
		return "; run both with the same seeds, --repeat 5 or more"
	}
	return "; run both with --repeat 5 or more"
}

// lostAA names the variants whose second of an A/A pair only one run measured, with the number of its cells and units. Pairs whose first
// is gone as well do not count: they are missing as a whole.
func (c *Comparison) lostAA(has, less *Analysis) (names string, n int) {
	var variants []string
	for _, s := range has.Samples {
		if !isAA(s.Cell) || !c.selected(has, s) {
			continue
		}
		cell := s.Cell
		cell.Variant = strings.TrimSuffix(cell.Variant, harness.SuffixAA)
		first, second := less.at[sampleID{cell.BenchName(), s.Unit}], less.at[idOf(s)]
		if first != nil && c.selected(less, first) && (second == nil || !c.selected(less, second)) {
			variants = append(variants, cell.Variant)
		}
	}
	n = len(variants)
	slices.Sort(variants)
	return strings.Join(slices.Compact(variants), ", "), n
}

// unrecorded lists the facts that must agree (sameEffort) and that one of the runs does not record.
func (c *Comparison) unrecorded(old, new *record.Env) (out []string) {
	for _, f := range effort(old, new) {
		if (f.a == "") != (f.b == "") {
			out = append(out, onlyOne(f.what, f.a != ""))
		}
	}
	for _, rows := range harness.GroupBy(c.Rows, func(r Row) string { return r.Cell.Workload }) {
		w := rows[0].Cell.Workload
		if a, b := hasBudget(old, w), hasBudget(new, w); a != b {
			out = append(out, onlyOne("measuring time of "+w, a))
		}
	}
	return out
}

func onlyOne(what string, old bool) string {
	which := "new"
	if old {
		which = "old"
	}
	return fmt.Sprintf("only the %s run records the %s: whether both had the same is not known", which, what)
}

// hasBudget reports whether a run records the measuring time of a workload.
func hasBudget(e *record.Env, workload string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(e.Budgets)), func(key string) bool {
		return key == workload || strings.HasPrefix(key, workload+"/")
	})
}
