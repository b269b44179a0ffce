// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"math"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
)

// An Against is how a cell differs from that of the baseline with the same axes, in one unit.
type Against struct {
	// Effect is the quotient of both, or their difference in the unit if Difference is set, paired by repeat.
	Effect     stats.Summary
	Difference bool
	// Verdict is Better, Worse or Differs if the whole interval lies on one side of no effect and the median reaches the least
	// difference: of the unit, or the run's A/A noise if that is larger. OneTrial, TooFew and NotKnown are no verdicts on the
	// cell. Each interval counts by itself: among 20 cells without a difference one is called different.
	Verdict string
}

// decided reports whether a difference is shown.
func (v Against) decided() bool {
	return v.Verdict == Better || v.Verdict == Worse || v.Verdict == Differs
}

// Tested reports whether there were trials enough to show a difference.
func (v Against) Tested() bool { return v.decided() || v.Verdict == same }

// BaselineOf is the variant that the run's cells are held against: that of the definition if it was measured, else the first that
// was and is no ceiling; "" if there is none.
func (a *Analysis) BaselineOf() string {
	measured := map[string]bool{}
	for _, s := range a.Samples {
		measured[s.Cell.Variant] = true
	}
	if measured[a.Run.Env.Baseline] {
		return a.Run.Env.Baseline
	}
	v, _ := harness.Find(a.Run.Env.Variants, func(v harness.Variant) bool { return measured[v.Name] && v.Class != harness.ClassCeiling })
	return v.Name
}

// Against compares a sample with the baseline's in the same cell and unit; ok is false if the run has none, no repeat has both, or the unit is
// a fate.
func (a *Analysis) Against(s *record.Sample, baseline string) (v Against, ok bool) {
	base := a.sibling(s, baseline)
	if base == nil || base == s || s.Unit == harness.UnitFate {
		return v, false
	}
	spec := a.metric(s.Cell.Workload, s.Unit)
	way := a.Run.Env.Better(s.Cell.Workload, s.Unit)
	if v.Difference = spec.Difference(); v.Difference {
		d := differences(s, base, false)
		if len(d) == 0 {
			return v, false
		}
		v.Effect = stats.Summarize(d)
	} else if v.Effect, ok = PairedRatio(s, base); !ok {
		return v, false
	}
	sign := v.sign(a.floor(s, spec))
	switch {
	case s.Beyond+base.Beyond > 0:
		v.Verdict = NotKnown
	case v.Effect.N == 1:
		v.Verdict = OneTrial
	case v.Effect.Confidence < stats.Enough:
		v.Verdict = TooFew
	case sign == 0:
		v.Verdict = same
	case way == 0:
		v.Verdict = Differs
	case sign == way:
		v.Verdict = Better
	default:
		v.Verdict = Worse
	}
	return v, true
}

// sign is the side of no effect on which the whole interval lies, +1 above; 0 if it lies on both or the median is below the floor.
func (v Against) sign(floor float64) int {
	lo, hi, mid := v.Effect.Lo, v.Effect.Hi, v.Effect.Median
	if !v.Difference {
		if lo <= 0 {
			return 0
		}
		lo, hi, mid, floor = math.Log(lo), math.Log(hi), math.Log(mid), math.Log1p(floor)
	}
	switch {
	case math.Abs(mid) < floor:
		return 0
	case lo > 0:
		return 1
	case hi < 0:
		return -1
	}
	return 0
}

// floor is the least difference that counts in a cell: relative, or in the unit.
func (a *Analysis) floor(s *record.Sample, spec harness.MetricSpec) float64 {
	exact := a.Run.Env.Target == harness.TargetExact
	least := DefaultMinEffect
	switch {
	case spec.Difference():
		least = spec.LeastDifference()
	case exact:
		least = DefaultMinEffectExact
	}
	return math.Max(least, noiseFor(a.Noise, group{s.Cell.Workload, s.Unit, s.Cell.Axis("rate")}, exact))
}

// sibling is the sample of a variant with the same axes and unit.
func (a *Analysis) sibling(s *record.Sample, variant string) *record.Sample {
	v, _ := a.Run.Env.Variant(variant)
	cell := s.Cell
	cell.Variant, cell.Class = variant, v.Class
	return a.at[sampleID{cell.BenchName(), s.Unit}]
}

// Ranked reports whether a cell's variant is one to choose: no ceiling, none that is wrong on purpose, no second name.
func (a *Analysis) Ranked(c harness.Cell) bool {
	v, _ := a.Run.Env.Variant(c.Variant)
	return c.Class != harness.ClassCeiling && c.Class != harness.ClassBroken && !v.Control && !isAA(c)
}
