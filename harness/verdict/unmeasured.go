// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// Unmeasured lists the cells of a run without a number, a line for each outcome and reason. env.json has each cell, and all
// lines of the reasons.
func Unmeasured(r *record.Run) []string {
	type lack struct{ cell, variant, workload, brief string }
	all := harness.Map(r.Unmeasured(), func(o record.CellOutcome) lack {
		c, err := record.ParseCell(r.Env.Experiment, o.Cell)
		if err != nil {
			c.Variant, c.Workload = o.Cell, "?"
		}
		o.Reason = WithoutVariant(o.Reason, c.Variant)
		return lack{o.Cell, c.Variant, c.Workload, o.Brief()}
	})
	return harness.Map(harness.GroupBy(all, func(l lack) string { return l.brief }), func(g []lack) string {
		if len(g) == 1 {
			return g[0].cell + ": " + g[0].brief
		}
		list := func(name func(lack) string) string {
			first := func(same []lack) string { return name(same[0]) }
			return strings.Join(harness.Map(harness.GroupBy(g, name), first), ", ")
		}
		return fmt.Sprintf("%d cells, %s in %s: %s", len(g), list(func(l lack) string { return l.variant }),
			list(func(l lack) string { return l.workload }), g[0].brief)
	})
}

// WithoutVariant removes the variant's name from a reason, so that variants with the same reason can be grouped.
func WithoutVariant(reason, variant string) string {
	variant = strings.TrimSuffix(variant, harness.SuffixAA)
	for _, verb := range []string{"put", "load"} {
		reason = strings.TrimPrefix(reason, verb+" variant "+variant+": ")
	}
	return reason
}
