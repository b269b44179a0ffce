// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// Skips says which cells of a run were skipped and why, a line for each reason. Each cell by itself is in env.json.
func Skips(r *record.Run) []string {
	type group struct {
		cell                string // the first
		count               int
		variants, workloads []string
	}
	var reasons []string
	groups := map[string]*group{}
	for _, s := range r.Env.Skipped {
		c, err := record.ParseCell(r.Env.Experiment, s.Cell)
		if err != nil {
			c.Variant, c.Workload = s.Cell, "?"
		}
		// Five variants that lack the same thing have one reason: the name is in front of it.
		reason := strings.TrimPrefix(s.Reason, "put variant "+strings.TrimSuffix(c.Variant, harness.SuffixAA)+": ")
		g := groups[reason]
		if g == nil {
			g = &group{cell: s.Cell}
			groups[reason] = g
			reasons = append(reasons, reason)
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
	for _, reason := range reasons {
		g := groups[reason]
		what := g.cell
		if g.count > 1 {
			what = fmt.Sprintf("%d cells, %s in %s", g.count, strings.Join(g.variants, ", "), strings.Join(g.workloads, ", "))
		}
		lines = append(lines, what+": "+reason)
	}
	return lines
}
