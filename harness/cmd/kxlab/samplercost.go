// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
)

// A samplerCost is a metric of a cell in its trial with the sampler, and the median of its measured trials.
type samplerCost struct {
	unit          string
	with, without float64
}

// change is relative.
func (c samplerCost) change() float64 { return c.with/c.without - 1 }

func (c samplerCost) String() string {
	s := unit.ScaleFor(c.unit, []float64{c.with, c.without})
	return fmt.Sprintf("what the sampler adds: this trial had %s %s, the median of those measured without it is %s (%s)",
		s.Format(c.with), s.Unit, s.Format(c.without), unit.Percent(c.change(), true))
}

// samplerCosts are those of a run's cells.
type samplerCosts struct {
	measured *record.Run
	all      []samplerCost
}

// add notes the cost of a trial with the sampler, and returns it in words; "" without a metric of which the measured trials have a median above
// zero. Instructions say most, then the trial's first metric.
func (s *samplerCosts) add(a runner.CountedTrial) string {
	metrics := slices.Clone(a.Result.Metrics)
	slices.SortStableFunc(metrics, func(x, y harness.Metric) int {
		return harness.Count([]harness.Metric{y}, isInstructions) - harness.Count([]harness.Metric{x}, isInstructions)
	})
	for _, m := range metrics {
		var values []float64
		for _, t := range s.measured.Trials {
			if t.Cell.BenchName() == a.Cell {
				own := harness.Filter(t.Result.Metrics, func(o harness.Metric) bool { return o.Unit == m.Unit })
				values = append(values, harness.Map(own, func(o harness.Metric) float64 { return o.Value })...)
			}
		}
		if len(values) == 0 || stats.Median(values) <= 0 {
			continue
		}
		c := samplerCost{m.Unit, m.Value, stats.Median(values)}
		s.all = append(s.all, c)
		return c.String()
	}
	return ""
}

func isInstructions(m harness.Metric) bool { return strings.HasPrefix(m.Unit, "insn/") }

// String is a sentence about all cells, a part a unit; "" without any.
func (s *samplerCosts) String() string {
	var parts []string
	for _, same := range harness.GroupBy(s.all, func(c samplerCost) string { return c.unit }) {
		changes := harness.Map(same, samplerCost.change)
		text := fmt.Sprintf("%s %s", same[0].unit, unit.Percent(stats.Median(changes), true))
		if len(same) > 1 {
			text += fmt.Sprintf(" (median of %d cells, %s to %s)", len(same), unit.Percent(slices.Min(changes), true), unit.Percent(slices.Max(changes), true))
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return ""
	}
	text := "what the sampler adds, against the trials measured without it: " + strings.Join(parts, ", ")
	if s.measured.Env.Target != harness.TargetExact {
		text += ", the machine's noise among it"
	}
	return text
}
