// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// noise says how far apart one variant measured twice is at most in the units of the panels that an answer speaks of, relative and as a
// difference; "" if no pair has any of them.
func (b board) noise(spoken []panel) string {
	var most [2]verdict.Noise // relative, and as a difference
	var where [2]string
	for _, n := range b.a.Noise {
		i := slices.IndexFunc(spoken, func(p panel) bool {
			return n.Unit == p.unit && strings.Contains(n.Cell, "workload="+p.workload+"/")
		})
		kind := 0
		if n.Difference {
			kind = 1
		}
		if i >= 0 && math.Abs(n.Shift) > math.Abs(most[kind].Shift) {
			most[kind], where[kind] = n, spoken[i].workload+", "+unit.Words(n.Unit)
		}
	}
	var parts []string
	for kind, n := range most {
		if where[kind] != "" {
			parts = append(parts, fmt.Sprintf("%s (%s)", strings.TrimLeft(n.ShiftText(), "+-"), where[kind]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "; one variant measured twice differs by up to " + strings.Join(parts, " and ")
}

// alike reports whether two values of a panel are no further apart than one variant measured twice is in its unit.
func (b board) alike(p panel, x, y float64) bool {
	noise := verdict.NoiseOf(b.a.Noise, p.workload, p.unit)
	if m, _ := b.a.Run.Env.Metric(p.workload, p.unit); m.Difference() {
		return math.Abs(x-y) <= noise
	}
	return x > 0 && y > 0 && math.Abs(math.Log(x/y)) <= math.Log1p(noise)
}

// behind is a variant behind another in a ranking, and says so if no difference is shown between them.
func (b board) behind(before, e effect, f form) string {
	text := e.brief(f)
	if b.alike(e.panel, medianOf(e.panel.cells[e.variant.Name]), medianOf(e.panel.cells[before.variant.Name])) {
		text += " (to " + before.variant.Name + " no difference is shown)"
	}
	return text
}

// panelsOfEffects are the panels of effects.
func panelsOfEffects(effects []effect) []panel {
	return harness.Map(effects, func(e effect) panel { return e.panel })
}
