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

// A Noise is what a run shows of its own noise in one cell: the same variant measured under two names.
type Noise struct {
	Cell  string        `json:"cell"` // of the first of the pair
	Unit  string        `json:"unit"`
	Ratio stats.Summary `json:"ratio"` // second over first, paired by repeat
	Shift float64       `json:"shift"` // how far the two medians are apart, relative
	// Broken says that a comparison of the pair at the minimum effect asked for would have found a difference.
	Broken bool `json:"broken"`

	workload string
}

// aaNoise compares each A/A pair of a run. minEffect is relative: 0.03 is 3 %.
func AaNoise(r *record.Run, minEffect float64) []Noise {
	all := r.Samples()
	var out []Noise
	for _, b := range all {
		if !strings.HasSuffix(b.Cell.Variant, harness.SuffixAA) {
			continue
		}
		twin := b.Cell
		twin.Variant = strings.TrimSuffix(twin.Variant, harness.SuffixAA)
		name := twin.BenchName()
		for _, a := range all {
			if a.Unit != b.Unit || a.Cell.BenchName() != name {
				continue
			}
			q, ok := PairedRatio(b, a)
			ma, mb := stats.Median(a.Values), stats.Median(b.Values)
			if !ok || ma <= 0 || mb <= 0 {
				continue
			}
			shift := mb/ma - 1
			significant := stats.RankP(a.Values, b.Values) < 1-stats.Confidence
			out = append(out, Noise{Cell: name, Unit: b.Unit, Ratio: q, Shift: shift, workload: twin.Workload,
				Broken: significant && math.Abs(shift) >= minEffect})
		}
	}
	return out
}

// noiseOf is the largest shift between A/A pairs in one workload and unit, and whether there was any pair.
func NoiseOf(pairs []Noise, workload, unit string) (float64, bool) {
	var most float64
	found := false
	for _, n := range pairs {
		if n.workload == workload && n.Unit == unit {
			most, found = math.Max(most, math.Abs(math.Log1p(n.Shift))), true
		}
	}
	return math.Expm1(most), found
}

// brokenGates lists the A/A pairs on which a gate at minEffect would have fired.
func BrokenGates(pairs []Noise, minEffect float64) []string {
	var out []string
	for _, n := range pairs {
		if n.Broken {
			out = append(out, fmt.Sprintf("gate at %s is broken for %s: it would fire on A/A (%s, %s)",
				unit.Percent(minEffect, false), n.Unit, n.Cell, unit.Percent(n.Shift, true)))
		}
	}
	return out
}
