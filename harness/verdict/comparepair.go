// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// pair makes the rows, and lists what only one run has.
func (c *Comparison) pair(old, new *Analysis) {
	for _, n := range new.Samples {
		if !c.selected(new, n) {
			continue
		}
		if s := old.at[idOf(n)]; s != nil && c.selected(old, s) {
			c.Rows = append(c.Rows, c.row(old, new, s, n))
		} else if !isAA(n.Cell) {
			c.OnlyNew = append(c.OnlyNew, n.Cell.BenchName()+" "+n.Unit)
		}
	}
	for _, s := range old.Samples {
		n := new.at[idOf(s)]
		if c.selected(old, s) && (n == nil || !c.selected(new, n)) && !isAA(s.Cell) {
			c.Missing = append(c.Missing, newMissing(s, new.Run))
		}
	}
}

// selected reports whether the sample is a number of its run and its workload is to be compared.
func (c *Comparison) selected(a *Analysis, s *record.Sample) bool {
	return (len(c.Options.Workloads) == 0 || slices.Contains(c.Options.Workloads, s.Cell.Workload)) && counts(a.Run, s.Cell.BenchName())
}

// row makes a row without its verdict.
func (c *Comparison) row(old, new *Analysis, o, n *record.Sample) Row {
	r := Row{Cell: n.Cell, Name: n.Cell.BenchName(), Unit: n.Unit, Old: old.Summary(o), New: new.Summary(n), old: o, new: n,
		group: group{n.Cell.Workload, n.Unit, n.Cell.Axis("rate")}, beyond: o.Beyond+n.Beyond > 0,
		same: sameProgram(&old.Run.Env, &new.Run.Env, n.Cell.Variant), Compare: harness.CompareRatio}
	if r.Unit == harness.UnitFate {
		r.Compare = harness.CompareWord
		return r
	}
	spec := new.metric(r.Cell.Workload, r.Unit) // by the newer definition
	r.Floor = math.Max(c.Options.MinEffect, spec.LeastRatio())
	switch {
	case spec.Difference():
		r.Compare, r.Floor = harness.CompareDifference, spec.LeastDifference()
	case !positive(o.Values) || !positive(n.Values):
		r.Compare = harness.CompareDifference
		r.Floor = math.Max(spec.LeastDifference(), r.Floor*math.Max(math.Abs(r.Old.Median), math.Abs(r.New.Median)))
		r.remark("holds zeros: compared as a difference")
	}
	return r
}

// raise raises the least difference in force to the noise of the runs' A/A pairs.
func (r *Row) raise(exact bool, runs ...*Analysis) {
	for _, a := range runs {
		if n := noiseFor(a.Noise, r.group, exact); n > r.Floor {
			if !strings.Contains(r.Note, raisedNote) {
				r.remark(raisedNote)
			}
			r.Floor = n
		}
	}
}

const raisedNote = "least difference raised to the A/A noise"

// sameProgram reports whether the two runs measured the same program under a variant's name: the kernel's own, or an object, or programs
// of a command, with the same hashes.
func sameProgram(old, new *record.Env, variant string) bool {
	if old.Kernel != new.Kernel {
		return false
	}
	a, okA := old.Variant(variant)
	b, okB := new.Variant(variant)
	if !okA || !okB || a.Attach != b.Attach || a.Object != b.Object || fmt.Sprint(a.Knobs, a.Settings) != fmt.Sprint(b.Knobs, b.Settings) {
		return false
	}
	if a.Command != nil || b.Command != nil {
		return a.Command != nil && b.Command != nil && sameCommand(old, new, variant)
	}
	hash := old.Objects[a.Object]
	return a.Object == "" || hash != "" && hash == new.Objects[a.Object]
}

// sameCommand reports whether the programs and files of a variant's command have the same hashes, and each has one.
func sameCommand(old, new *record.Env, variant string) bool {
	of := func(e *record.Env) map[string]string {
		out := map[string]string{}
		for name, hash := range e.Objects {
			if file, ok := strings.CutPrefix(name, variant+"/"); ok {
				out[file] = hash
			}
		}
		return out
	}
	a := of(old)
	return len(a) > 0 && maps.Equal(a, of(new))
}

// sameEffort returns an error unless two runs measured equally long and, in guests, in equal guests: in a shorter measurement,
// start and end weigh more. A fact that one of the runs does not record is a gap (unrecorded).
func sameEffort(old, new *record.Env) error {
	facts := effort(old, new)
	for _, cell := range slices.Sorted(maps.Keys(old.Budgets)) {
		facts = append(facts, fact{"budget of " + cell, old.Budgets[cell], new.Budgets[cell]})
	}
	for _, f := range facts {
		if f.a != "" && f.b != "" && f.a != f.b {
			return fmt.Errorf("%w: %s %q and %q: run both with the same", errIncomparable, f.what, f.a, f.b)
		}
	}
	return nil
}

// A fact is a setting that must agree between two runs; empty where a run does not record it.
type fact struct{ what, a, b string }

// effort are the facts that must agree but the budgets.
func effort(old, new *record.Env) []fact {
	facts := []fact{{"profile", old.Profile, new.Profile}}
	if old.Target != harness.TargetHost {
		facts = append(facts, fact{"memory of guests", memory(old), memory(new)},
			fact{"root of guests", old.KernelFacts["root"], new.KernelFacts["root"]})
	}
	return facts
}

func memory(e *record.Env) string {
	if e.MemBytes == 0 {
		return ""
	}
	return fmt.Sprintf("%d MiB", e.MemBytes>>20)
}

func positive(v []float64) bool {
	return !slices.ContainsFunc(v, func(x float64) bool { return x <= 0 })
}

// medianSE is the standard error of the median of values: sqrt(pi/2) times that of the mean; 0 below two values.
func medianSE(v []float64) float64 {
	if len(v) < 2 {
		return 0
	}
	return math.Sqrt(math.Pi/2) * math.Sqrt(variance(v)) / math.Sqrt(float64(len(v)))
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x / float64(len(v))
	}
	return sum
}

// variance is the sample variance; 0 below two values.
func variance(v []float64) float64 {
	if len(v) < 2 {
		return 0
	}
	m := mean(v)
	var ss float64
	for _, x := range v {
		ss += (x - m) * (x - m)
	}
	return ss / float64(len(v)-1)
}
