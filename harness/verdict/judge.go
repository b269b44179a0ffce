// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"math"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
)

// tauControls is how many controls it takes to know how far rows stray whose program is the same.
const tauControls = 4

// infinite stands for a relative difference from zero, which JSON has no word for.
const Infinite = 1e9

// drift finds, for each workload and unit, the machine's drift and how far the controls stray around it, and takes the
// drift off the rows.
func (c *Comparison) drift() {
	at := map[[2]string]int{}
	for i := range c.Rows {
		r := &c.Rows[i]
		k := [2]string{r.Cell.Workload, r.Unit}
		if _, ok := at[k]; !ok {
			at[k] = len(c.Drifts)
			c.Drifts = append(c.Drifts, Drift{Workload: k[0], Unit: k[1], Factor: 1})
		}
	}
	for i := range c.Drifts {
		c.driftOf(&c.Drifts[i])
	}
}

func (c *Comparison) driftOf(d *Drift) {
	var ceilings, se []float64
	var mine []*Row
	for i := range c.Rows {
		r := &c.Rows[i]
		if r.Cell.Workload != d.Workload || r.Unit != d.Unit || !r.logs {
			continue
		}
		mine = append(mine, r)
		if r.Cell.Class == harness.ClassCeiling {
			ceilings, se = append(ceilings, r.d), append(se, r.se)
		}
	}
	var shift, shiftSE float64
	if d.Cells = len(ceilings); d.Cells > 0 {
		for i := range ceilings {
			shift += ceilings[i] / float64(d.Cells)
			shiftSE += se[i] * se[i] / float64(d.Cells*d.Cells)
		}
		d.Factor = math.Exp(shift)
	} else {
		d.Note = "no ceiling ran: drift not known, not corrected"
	}
	var strays []float64
	for _, r := range mine {
		r.d -= shift
		if r.Cell.Class != harness.ClassCeiling {
			r.se = math.Sqrt(r.se*r.se + shiftSE)
		}
		if r.same {
			strays = append(strays, math.Abs(r.d))
		}
	}
	if d.Controls = len(strays); d.Controls >= tauControls {
		// The median of |x| is 0.6745 sigma for a normal x around 0, and up to a third of the controls may be outliers.
		d.Tau = stats.Median(strays) / 0.6745
	}
}

// judge gives every row its verdict.
func (c *Comparison) judge(old, new *record.Run, aaOld, aaNew []Noise) {
	olds, news := byName(old), byName(new)
	p := make([]float64, len(c.Rows))
	for i := range c.Rows {
		r := &c.Rows[i]
		d := c.driftAt(r)
		a := olds[r.Name+" "+r.Unit]
		b := append([]float64(nil), news[r.Name+" "+r.Unit]...)
		r.Floor = c.Options.MinEffect
		for _, aa := range [][]Noise{aaOld, aaNew} {
			if n, ok := NoiseOf(aa, r.Cell.Workload, r.Unit); ok && n > r.Floor {
				r.Floor = n
				r.Note = "minimum effect raised to the A/A noise"
			}
		}
		if r.logs {
			for j := range b {
				b[j] /= d.Factor
			}
			r.Delta = math.Expm1(r.d)
			p[i] = c.medianP(r, d)
		} else {
			r.Delta = deltaWithZeros(r.Old.Median, r.New.Median)
		}
		r.RankP = stats.RankP(a, b)
		if !r.logs {
			p[i] = r.RankP
			r.Note = "holds zeros: judged by ranks alone, drift not taken off"
		}
	}
	for i, q := range stats.BenjaminiHochberg(p) {
		c.Rows[i].P = math.Max(q, c.Rows[i].RankP)
		c.Rows[i].Verdict = c.verdict(&c.Rows[i], old)
	}
}

// medianP is the p value of a t test of the difference of medians against what the runs' spread and the controls allow.
func (c *Comparison) medianP(r *Row, d *Drift) float64 {
	df := float64(r.Old.N + r.New.N - 2)
	s := r.se
	if d.Tau > s {
		s, df = d.Tau, float64(d.Controls-1)
	}
	if s == 0 { // repeated to the last digit, as on the exact target
		if r.d == 0 {
			return 1
		}
		return 0
	}
	return stats.TailT(math.Abs(r.d)/s, df)
}

func (c *Comparison) verdict(r *Row, old *record.Run) string {
	if stats.LeastRankP(r.Old.N, r.New.N) >= c.Options.Alpha && r.RankP > 0 {
		note := fmt.Sprintf("%d against %d repeats cannot show a difference; 4 are needed", r.Old.N, r.New.N)
		if r.Note != "" {
			note += "; " + r.Note
		}
		r.Note = note
		return TooFew
	}
	// Both sides of a ratio: 3 % slower is log 1.03, whichever way it is read.
	effect := math.Abs(math.Log1p(math.Max(r.Delta, -1+1e-9)))
	if r.P >= c.Options.Alpha || effect < math.Log1p(r.Floor) {
		return Same
	}
	switch way := old.Env.Better(r.Cell.Workload, r.Unit); {
	case way == 0:
		r.Note = "the run does not say which way is better"
		return Same
	case (way > 0) == (r.Delta > 0):
		return Better
	}
	return Worse
}

func (c *Comparison) driftAt(r *Row) *Drift {
	for i := range c.Drifts {
		if c.Drifts[i].Workload == r.Cell.Workload && c.Drifts[i].Unit == r.Unit {
			return &c.Drifts[i]
		}
	}
	return &Drift{Factor: 1}
}

func byName(r *record.Run) map[string][]float64 {
	out := map[string][]float64{}
	for _, s := range r.Samples() {
		out[s.Cell.BenchName()+" "+s.Unit] = s.Values
	}
	return out
}

func deltaWithZeros(old, new float64) float64 {
	switch {
	case old == new:
		return 0
	case old == 0:
		return math.Copysign(Infinite, new)
	}
	return (new - old) / math.Abs(old)
}

func (d Drift) String() string {
	s := fmt.Sprintf("%s %s: %s from %d ceilings", d.Workload, d.Unit, unit.Percent(d.Factor-1, true), d.Cells)
	if d.Note != "" {
		s = fmt.Sprintf("%s %s: %s", d.Workload, d.Unit, d.Note)
	}
	if d.Controls >= tauControls {
		s += fmt.Sprintf("; cells with the same program in both runs strayed by %s (one sigma, %d cells)", unit.Percent(d.Tau, false), d.Controls)
	}
	return s
}
