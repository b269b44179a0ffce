// SPDX-License-Identifier: Apache-2.0

package synthetic

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// A Shape is a kind of noise, as published runs have it. All figures are invented after them.
type Shape string

// The shapes.
const (
	Quiet     Shape = "quiet"           // host: normal, 1 %
	Bimodal   Shape = "bimodal"         // host: three trials of ten cost 12 % more
	Drifting  Shape = "drifting"        // host: every run becomes slower by up to 5 %, and the machine was slower in the new one
	HeavyTail Shape = "heavy tail"      // host: Student's t with two degrees of freedom, 1.5 %
	Zeros     Shape = "mostly zeros"    // host: a share that is 0 in three trials of four
	Outliers  Shape = "exact, outliers" // exact: steps of 0.25 % with the boot, and 1.5 % more in one trial of 25
)

// Shapes lists them.
func Shapes() []Shape { return []Shape{Quiet, Bimodal, Drifting, HeavyTail, Zeros, Outliers} }

// A Pair describes two invented runs of one experiment.
type Pair struct {
	Shape  Shape
	Seed   uint64
	Change float64 // what variant Changed costs more in the new run: 0.05 is 5 %, or 5 points of a share
}

// Changed is the variant whose object differs between the two runs of a Pair, whether its cost does or not.
const Changed = "changed"

// shapeRepeats is how often the runs repeat.
const shapeRepeats = 5

// Runs invents the two runs.
func (p Pair) Runs() (old, new *record.Run) {
	rng := rand.New(rand.NewPCG(p.Seed, 7))
	return p.run(rng, false), p.run(rng, true)
}

var shapeVariants = []harness.Variant{
	{Name: "one", Class: "c", Object: "x/one", Attach: "a", About: "invented"},
	{Name: "two", Class: "c", Object: "x/two", Attach: "a", About: "invented"},
	{Name: Changed, Class: "c", Object: "x/changed", Attach: "a", About: "invented"},
	{Name: "kernel", Class: "c", Attach: "a", About: "invented"}, {Name: "other", Class: "c", Attach: "b", About: "invented"},
	{Name: "bare", Class: harness.ClassCeiling, Attach: "b", About: "invented"},
	{Name: "empty", Class: harness.ClassCeiling, Object: "x/empty", Attach: "b", About: "invented"},
}

func (p Pair) run(rng *rand.Rand, isNew bool) *record.Run {
	r := &record.Run{Dir: fmt.Sprintf("synthetic-%s-%d", p.Shape, p.Seed), Env: synthEnv()}
	metric := harness.MetricSpec{Unit: "sec/op", Better: "lower"}
	if p.Shape == Zeros {
		metric = harness.MetricSpec{Unit: "failed-share", Better: "lower", Compare: harness.CompareDifference, Least: 0.005}
	}
	if p.Shape == Outliers {
		r.Env.Target = harness.TargetExact
	}
	r.Env.Variants, r.Env.AA = shapeVariants, []string{"one"}
	r.Env.Workloads = []harness.WorkloadSpec{{Name: "w", Metrics: []harness.MetricSpec{metric}}}
	r.Env.Plots, r.Env.Objects = nil, map[string]string{}
	machine := 1.0
	if isNew && p.Shape == Drifting {
		machine = 1.15
	}
	slope := 0.05 * rng.Float64()
	names := []string{"one", "one" + harness.SuffixAA, "two", Changed, "kernel", "other", "bare", "empty"}
	for _, name := range names {
		v, _ := r.Env.Variant(name)
		if v.Object != "" {
			r.Env.Objects[v.Object] = "sha256:1"
		}
		change := 0.0
		if name == Changed && isNew {
			r.Env.Objects[v.Object], change = "sha256:2", p.Change
		}
		for _, load := range []string{"light", "heavy"} {
			c := harness.Cell{Experiment: r.Env.Experiment, Workload: "w", Class: v.Class, Variant: name, Axes: []harness.AxisValue{{Name: "load", Value: load}}}
			for rep := range shapeRepeats {
				value := p.value(rng, machine*(1+slope*float64(rep)/shapeRepeats), change)
				r.Trials = append(r.Trials, harness.Trial{Cell: c, Repeat: rep,
					Result: harness.Result{Iterations: 1, Metrics: []harness.Metric{{Unit: metric.Unit, Value: value}}}})
			}
		}
	}
	return r
}

// value invents one trial.
func (p Pair) value(rng *rand.Rand, machine, change float64) float64 {
	const base = 1e-6
	cost := base * (1 + change)
	switch p.Shape {
	case Bimodal:
		if rng.Float64() < 0.3 {
			cost *= 1.12
		}
		return cost * math.Exp(0.01*rng.NormFloat64())
	case Drifting:
		return cost * machine * math.Exp(0.01*rng.NormFloat64())
	case HeavyTail: // a normal over the root of a chi-squared with two degrees of freedom, halved
		return cost * math.Exp(0.015*rng.NormFloat64()/math.Sqrt(rng.ExpFloat64()))
	case Zeros:
		share := change
		if rng.Float64() < 0.25 {
			share += 0.02 * rng.ExpFloat64()
		}
		return share
	case Outliers:
		if rng.Float64() < 0.4 {
			cost *= 1.0025
		}
		if rng.Float64() < 0.04 {
			cost *= 1.015
		}
		return cost * (1 + 2e-6*rng.Float64())
	}
	return cost * math.Exp(0.01*rng.NormFloat64())
}
