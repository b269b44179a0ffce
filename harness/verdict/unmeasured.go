// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// Unmeasured says which cells of a run have no number, what became of them and why, a line for each outcome and reason. Each
// cell by itself is in env.json, where a reason has all its lines.
func Unmeasured(r *record.Run) []string {
	type group struct {
		cell                string // the first
		count               int
		variants, workloads []string
	}
	var briefs []string
	groups := map[string]*group{}
	for _, o := range r.Unmeasured() {
		c, err := record.ParseCell(r.Env.Experiment, o.Cell)
		if err != nil {
			c.Variant, c.Workload = o.Cell, "?"
		}
		o.Reason = WithoutVariant(o.Reason, c.Variant)
		brief := o.Brief()
		g := groups[brief]
		if g == nil {
			g = &group{cell: o.Cell}
			groups[brief] = g
			briefs = append(briefs, brief)
		}
		g.count++
		if !slices.Contains(g.variants, c.Variant) {
			g.variants = append(g.variants, c.Variant)
		}
		if !slices.Contains(g.workloads, c.Workload) {
			g.workloads = append(g.workloads, c.Workload)
		}
	}
	var lines []string
	for _, brief := range briefs {
		g := groups[brief]
		what := g.cell
		if g.count > 1 {
			what = fmt.Sprintf("%d cells, %s in %s", g.count, strings.Join(g.variants, ", "), strings.Join(g.workloads, ", "))
		}
		lines = append(lines, what+": "+brief)
	}
	return lines
}

// WithoutVariant takes the variant's name off a reason: five variants that lack the same thing have one reason.
func WithoutVariant(reason, variant string) string {
	variant = strings.TrimSuffix(variant, harness.SuffixAA)
	for _, verb := range []string{"put", "load"} {
		reason = strings.TrimPrefix(reason, verb+" variant "+variant+": ")
	}
	return reason
}
