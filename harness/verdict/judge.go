// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"math"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/stats"
)

// judgeHost gives every row of two runs on targets host and vm its verdict.
func (c *Comparison) judgeHost(old, new *Analysis) {
	for _, a := range []*Analysis{old, new} {
		c.Broken = append(c.Broken, BrokenGates(c.selectedNoise(a), c.Options.MinEffect)...)
	}
	for i := range c.Rows {
		c.Rows[i].prepare()
		c.Rows[i].raise(false, old, new)
	}
	c.drift()
	var family []*Row // the rows that the correction counts
	var p []float64
	for i := range c.Rows {
		r := &c.Rows[i]
		d := c.driftAt(r)
		b := append([]float64(nil), r.new.Values...)
		if r.difference() {
			r.Delta = r.d
		} else {
			r.Delta = math.Expm1(r.d)
			for j := range b {
				b[j] /= d.Factor
			}
		}
		var warnings []string
		r.RankP, warnings = stats.RankP(r.old.Values, b)
		r.New.Warnings = append(r.New.Warnings, warnings...)
		switch {
		case r.beyond:
			r.Verdict = NotKnown
			r.remark("a value lies beyond what the trial could measure")
		case stats.LeastRankP(r.Old.N, r.New.N) >= c.Options.Alpha && r.RankP > 0:
			r.Verdict = TooFew
			r.remark(fmt.Sprintf("%d against %d repeats cannot show a difference; 4 are needed", r.Old.N, r.New.N))
		case r.appeared():
			q := r.RankP
			r.P = &q
			r.remark("0 in all repeats of one run only")
		default:
			family, p = append(family, r), append(p, r.medianP(d))
		}
	}
	for i, q := range stats.BenjaminiHochberg(p) {
		q = math.Max(q, family[i].RankP)
		family[i].P = &q
	}
	c.decide(new)
}

// selectedNoise is the A/A noise of the workloads that are to be compared.
func (c *Comparison) selectedNoise(a *Analysis) []Noise {
	var out []Noise
	for _, n := range a.Noise {
		if s := a.at[sampleID{n.Cell, n.Unit}]; c.selected(a, s) {
			out = append(out, n)
		}
	}
	return out
}

// prepare takes the difference of the medians, before any drift is taken off, and its standard error.
func (r *Row) prepare() {
	if r.difference() {
		r.d = r.New.Median - r.Old.Median
		r.se = math.Hypot(medianSE(r.old.Values), medianSE(r.new.Values))
		return
	}
	r.d = math.Log(r.New.Median / r.Old.Median)
	r.se = math.Hypot(medianSE(logs(r.old.Values)), medianSE(logs(r.new.Values)))
}

// appeared reports whether the values are 0 in all repeats of one run and beyond the least difference in all of the other.
func (r *Row) appeared() bool {
	if !r.difference() {
		return false
	}
	zero, other := r.old.Values, r.new.Values
	if r.Old.Median != 0 {
		zero, other = other, zero
	}
	for _, x := range zero {
		if x != 0 {
			return false
		}
	}
	for _, x := range other {
		if !(math.Abs(x) >= r.Floor) || x == 0 {
			return false
		}
	}
	return true
}

// medianP is the p value of a t test of the difference of medians against what the runs' spread and the controls allow.
func (r *Row) medianP(d *Drift) float64 {
	df := float64(r.Old.N + r.New.N - 2)
	s := r.se
	if d.Tau > s {
		s, df = d.Tau, float64(d.Controls-1)
	}
	if s == 0 { // repeated to the last digit
		if r.d == 0 {
			return 1
		}
		return 0
	}
	return stats.TailT(math.Abs(r.d)/s, df)
}

// decide turns p values and differences into verdicts, of the rows that have none yet.
func (c *Comparison) decide(new *Analysis) {
	for i := range c.Rows {
		r := &c.Rows[i]
		if r.Verdict != "" {
			continue
		}
		r.Verdict = same
		if r.P == nil || *r.P >= c.Options.Alpha || !r.reaches() {
			continue
		}
		switch way := new.Run.Env.Better(r.Cell.Workload, r.Unit); {
		case way == 0:
			r.remark("the run does not say which way is better")
		case (way > 0) == (r.Delta > 0):
			r.Verdict = Better
		default:
			r.Verdict = Worse
		}
	}
}

// drifts reports whether the row is one of the drift's.
func (r *Row) drifts(d *Drift) bool {
	return d.Workload == r.group.workload && d.Unit == r.group.unit && d.Rate == r.group.rate && d.difference == r.difference()
}

func (c *Comparison) driftAt(r *Row) *Drift {
	for i := range c.Drifts {
		if r.drifts(&c.Drifts[i]) {
			return &c.Drifts[i]
		}
	}
	return &Drift{Factor: 1}
}

// ceiling reports whether the row shows the machine's drift: a program that does no work and is the same in both runs.
func (r *Row) ceiling() bool { return r.same && r.Cell.Class == harness.ClassCeiling }
