// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"math"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
)

// A Noise is the difference that a run shows between two measurements of one variant, in one cell and unit.
type Noise struct {
	Cell  string        `json:"cell"` // of the first of the pair
	Unit  string        `json:"unit"`
	Ratio stats.Summary `json:"ratio"` // second over first, paired by repeat; N is 0 where a value is 0
	Shift float64       `json:"shift"` // of the medians: relative, or the difference where Difference is set
	// Difference says that the unit's values are compared as differences.
	Difference bool `json:"difference,omitempty"`
	// Broken says that a comparison of the pair at DefaultMinEffect would have found a difference.
	Broken bool `json:"broken"`

	workload, rate string
	significant    bool
	paired         float64 // median over the repeats of the pair's distance: of the logarithm of the ratio, or of the difference
}

// noise compares each A/A pair of the run, but for fates.
func (a *Analysis) noise() []Noise {
	var out []Noise
	for _, second := range a.Samples {
		base, isAA := strings.CutSuffix(second.Cell.Variant, harness.SuffixAA)
		if !isAA || second.Unit == harness.UnitFate {
			continue
		}
		cell := second.Cell
		cell.Variant = base
		first := a.at[sampleID{cell.BenchName(), second.Unit}]
		if first == nil {
			continue
		}
		spec := a.metric(cell.Workload, second.Unit)
		n := Noise{Cell: cell.BenchName(), Unit: second.Unit, Difference: spec.Difference(), workload: cell.Workload, rate: cell.Axis("rate")}
		least := math.Max(DefaultMinEffect, spec.LeastRatio())
		if n.Difference {
			least = spec.LeastDifference()
		}
		mf, ms := a.Summary(first).Median, a.Summary(second).Median
		q, ok := PairedRatio(second, first)
		switch {
		case n.Difference:
			n.Shift = ms - mf
		case ok && mf > 0 && ms > 0:
			n.Shift = ms/mf - 1
		default:
			continue
		}
		if ok {
			n.Ratio = q
		}
		n.paired = pairDistance(first, second, n.Difference)
		p, _ := stats.RankP(first.Values, second.Values)
		n.significant = p < 1-stats.Confidence
		n.Broken = n.significant && math.Abs(n.Shift) >= least
		out = append(out, n)
	}
	return out
}

// metric is the definition of a workload's unit; for a unit that the run does not declare, one with the name only.
func (a *Analysis) metric(workload, unit string) harness.MetricSpec {
	m, _ := a.Run.Env.Metric(workload, unit)
	m.Unit = unit
	return m
}

// pairDistance is the median over the repeats of the distance of a pair; 0 without pairs.
func pairDistance(a, b *record.Sample, difference bool) float64 {
	d := harness.Map(differences(b, a, !difference), math.Abs)
	if len(d) == 0 {
		return 0
	}
	return stats.Median(d)
}

// NoiseOf is the largest shift between A/A pairs in one workload and unit; 0 if there was no pair.
func NoiseOf(pairs []Noise, workload, unit string) (most float64) {
	for _, n := range pairs {
		if n.workload == workload && n.Unit == unit {
			most = math.Max(most, n.size())
		}
	}
	return most
}

// ShiftText is the shift as text: relative, or as a difference in the unit.
func (n Noise) ShiftText() string {
	if n.Difference {
		return DifferenceText(n.Unit, n.Shift)
	}
	return unit.Percent(n.Shift, true)
}

// DifferenceText writes a difference in a unit with its sign: of shares in points of a hundred.
func DifferenceText(name string, d float64) string {
	if strings.HasSuffix(name, "share") && math.Abs(d) < 1e6 {
		return fmt.Sprintf("%+.2f points", 100*d)
	}
	sign := "+"
	if d < 0 {
		sign = ""
	}
	return sign + unit.Digits(d) + " " + name
}

// size is the shift without its sign. Of a ratio below 1 it is that of the inverse: 0.5 is as far from 1 as 2.
func (n Noise) size() float64 {
	if n.Difference {
		return math.Abs(n.Shift)
	}
	return relative(math.Abs(math.Log1p(n.Shift)))
}

// noiseFor is the largest noise among the pairs of a row's workload and unit: of those at its rate, or of all if there is none
// at its rate. On target exact it is the median distance over the seeds.
func noiseFor(pairs []Noise, g group, exact bool) (most float64) {
	all := harness.Filter(pairs, func(n Noise) bool { return n.workload == g.workload && n.Unit == g.unit })
	if same := harness.Filter(all, func(n Noise) bool { return n.rate == g.rate }); len(same) > 0 {
		all = same
	}
	for _, n := range all {
		size := n.size()
		if exact && n.Difference {
			size = n.paired
		} else if exact {
			size = relative(n.paired)
		}
		most = math.Max(most, size)
	}
	return most
}

// where is the pair's cell in words that a line can be broken between.
func (n Noise) where() string {
	_, parts, _ := strings.Cut(n.Cell, "/")
	return strings.ReplaceAll(parts, "/", " ")
}

// BrokenGates lists the A/A pairs on which a gate at minEffect would have fired.
func BrokenGates(pairs []Noise, minEffect float64) []string {
	var out []string
	for _, n := range pairs {
		switch {
		case !n.significant:
		case n.Difference && n.Broken:
			out = append(out, fmt.Sprintf("%s is too noisy here: one variant measured twice differed by %s, so a gate on it is useless (%s)",
				n.Unit, strings.TrimPrefix(n.ShiftText(), "+"), n.where()))
		case !n.Difference && math.Abs(n.Shift) >= minEffect:
			out = append(out, fmt.Sprintf("%s is too noisy here: one variant measured twice differed by %s, so a gate at %s on it is useless (%s)",
				n.Unit, unit.Percent(math.Abs(n.Shift), false), unit.Percent(minEffect, false), n.where()))
		}
	}
	return out
}
