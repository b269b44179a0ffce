// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"math"
	"slices"

	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
)

// pair makes the rows, and lists what only one run has.
func (c *Comparison) pair(old, new *record.Run) {
	type id struct{ cell, unit string }
	olds := map[id]*record.Sample{}
	for _, s := range c.asked(old) {
		olds[id{s.Cell.BenchName(), s.Unit}] = s
	}
	for _, n := range c.asked(new) {
		k := id{n.Cell.BenchName(), n.Unit}
		s := olds[k]
		if s == nil {
			c.OnlyNew = append(c.OnlyNew, k.cell+" "+k.unit)
			continue
		}
		delete(olds, k)
		row := Row{Cell: n.Cell, Name: k.cell, Unit: k.unit, Old: stats.Summarize(s.Values), New: stats.Summarize(n.Values),
			same: sameProgram(&old.Env, &new.Env, n.Cell.Variant)}
		row.logs = positive(s.Values) && positive(n.Values)
		if row.logs {
			row.d = math.Log(row.New.Median / row.Old.Median)
			row.se = math.Hypot(medianSE(s.Values), medianSE(n.Values))
		}
		c.Rows = append(c.Rows, row)
	}
	for _, s := range c.asked(old) { // in the run's order
		if k := (id{s.Cell.BenchName(), s.Unit}); olds[k] != nil && !isAA(s.Cell) {
			c.Missing = append(c.Missing, newMissing(s, new))
		}
	}
}

// asked are the samples of the workloads that are to be compared.
func (c *Comparison) asked(r *record.Run) []*record.Sample {
	return slices.DeleteFunc(r.Samples(), func(s *record.Sample) bool {
		return len(c.Options.Workloads) > 0 && !slices.Contains(c.Options.Workloads, s.Cell.Workload) || !counts(r, s.Cell.BenchName())
	})
}

// noise is the A/A noise of the workloads that are to be compared.
func (c *Comparison) noise(r *record.Run) []Noise {
	return slices.DeleteFunc(AaNoise(r, c.Options.MinEffect), func(n Noise) bool {
		return len(c.Options.Workloads) > 0 && !slices.Contains(c.Options.Workloads, n.workload)
	})
}

// workloads are those that a run measured, sorted.
func workloads(r *record.Run) []string {
	var out []string
	for _, s := range r.Samples() {
		out = append(out, s.Cell.Workload)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sameProgram tells whether the two runs put the same thing in force under a variant's name: the kernel's own, or an
// object with the same hash.
func sameProgram(old, new *record.Env, variant string) bool {
	if old.Kernel != new.Kernel {
		return false
	}
	a, okA := old.Variant(variant)
	b, okB := new.Variant(variant)
	if !okA || !okB || a.Attach != b.Attach || a.Object != b.Object || fmt.Sprint(a.Knobs, a.Settings) != fmt.Sprint(b.Knobs, b.Settings) {
		return false
	}
	if a.Object == "" {
		return true
	}
	h := old.Objects[a.Object]
	return h != "" && h == new.Objects[a.Object]
}

func positive(v []float64) bool {
	for _, x := range v {
		if x <= 0 {
			return false
		}
	}
	return true
}

// medianSE is the standard error of the median of log values: sqrt(pi/2) times that of the mean, with the sample's own
// standard deviation; 0 below two values.
func medianSE(v []float64) float64 {
	n := float64(len(v))
	if n < 2 {
		return 0
	}
	var mean, ss float64
	for _, x := range v {
		mean += math.Log(x) / n
	}
	for _, x := range v {
		ss += (math.Log(x) - mean) * (math.Log(x) - mean)
	}
	return math.Sqrt(math.Pi/2) * math.Sqrt(ss/(n-1)) / math.Sqrt(n)
}
