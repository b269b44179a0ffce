// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"math"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/stats"
)

// An Aligned is one cell and unit in several comparisons, each on a kernel of its own.
type Aligned struct {
	Cell harness.Cell
	Name string
	Unit string
	Rows []*Row // one a comparison, in their order; nil where one lacks it
	// Differs says that the change of one kernel is not that of another: see Between.
	Differs bool
}

// Between aligns the rows of comparisons of the same two programs on several kernels, and says in which rows the change differs between
// two kernels. Two changes differ if both of these hold:
//
//  1. They are apart by the larger of their least differences.
//  2. A t test of the difference of the changes gives p < alpha after the correction of Benjamini and Hochberg. The standard errors are
//     those of the changes, which are taken as independent, although on target exact the seeds are the same: that can hide a
//     difference, and never makes one.
//
// That one change is significant and the other is not does not make them differ.
func Between(all []*Comparison) []Aligned {
	out := Align(all)
	var p []float64
	var of []*Aligned
	for i := range out {
		for j, a := range out[i].Rows {
			for _, b := range out[i].Rows[j+1:] {
				apart, known := changesApart(a, b)
				if !known {
					continue
				}
				p = append(p, apart)
				of = append(of, &out[i])
			}
		}
	}
	alpha := 1 - stats.Confidence
	if len(all) > 0 && all[0].Options.Alpha > 0 {
		alpha = all[0].Options.Alpha
	}
	for i, q := range stats.BenjaminiHochberg(p) {
		of[i].Differs = of[i].Differs || q < alpha
	}
	return out
}

// Align puts the rows of the same cell and unit beside one another.
func Align(all []*Comparison) []Aligned {
	type key struct{ name, unit string }
	var out []Aligned
	at := map[key]int{}
	for k, c := range all {
		for i := range c.Rows {
			r := &c.Rows[i]
			id := key{r.Name, r.Unit}
			if _, ok := at[id]; !ok {
				at[id] = len(out)
				out = append(out, Aligned{Cell: r.Cell, Name: r.Name, Unit: r.Unit, Rows: make([]*Row, len(all))})
			}
			out[at[id]].Rows[k] = r
		}
	}
	return out
}

// changesApart is the p value of a test that two rows have the same change, 1 where the changes are not the least difference apart.
// known is false where that cannot be asked: a row is missing, has one trial, or is compared in other terms.
func changesApart(a, b *Row) (p float64, known bool) {
	if a == nil || b == nil || a.Compare != b.Compare {
		return 0, false
	}
	x, y := a.change(), b.change()
	if !x.known || !y.known {
		return 0, false
	}
	floor := math.Max(a.Floor, b.Floor)
	if !a.difference() {
		floor = math.Log1p(floor)
	}
	apart, se := math.Abs(x.mean-y.mean), math.Hypot(x.se, y.se)
	switch {
	case apart == 0 || apart < floor:
		return 1, true
	case se == 0:
		return 0, true
	}
	return stats.TailT(apart/se, x.df+y.df), true
}

// A change is a row's change with its standard error: a logarithm of new/old, or a difference.
type change struct {
	mean, se, df float64
	known        bool
}

func (r *Row) change() change {
	switch r.Verdict {
	case TooFew, OneTrial, NoSeed, NotKnown:
		return change{}
	}
	if n := float64(len(r.pairs)); n >= 2 {
		return change{mean(r.pairs), r.se, max(r.df, n-1), true} // rows without any difference have no spread
	}
	if r.Old.N < 2 || r.New.N < 2 || len(r.pairs) > 0 {
		return change{}
	}
	return change{r.d, r.se, float64(r.Old.N + r.New.N - 2), true}
}

// Interval is where the difference lies, in the terms of Delta, with 95 % confidence: on target exact Student's interval of the mean
// over the seeds, with the variance of the test, on others of the difference of the medians, from the spread within the runs. ok is false where that is not known, as
// with one trial, and off target exact where the trials do not spread.
func (r *Row) Interval() (low, high float64, ok bool) {
	c := r.change()
	if !c.known || len(r.pairs) == 0 && c.se == 0 {
		return 0, 0, false
	}
	half := stats.CriticalT(1-stats.Confidence, c.df) * c.se
	if r.difference() {
		return c.mean - half, c.mean + half, true
	}
	return relative(c.mean - half), relative(c.mean + half), true
}
