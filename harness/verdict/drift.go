// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"math"

	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
)

const (
	// tauControls is how many controls it takes to know how far rows stray whose program is the same.
	tauControls = 4
	// disagreeControls is how many controls beside the ceilings it takes to contradict them.
	disagreeControls = 3
	// disagreeSigma is by how many standard errors ceilings and other controls must differ to disagree.
	disagreeSigma = 3
	// madSigma turns a median absolute deviation into the standard deviation of a normal distribution.
	madSigma = 1.4826
)

// drift finds, for each group of rows, the machine's drift and how far the controls stray around it, and takes the drift
// off the rows.
func (c *Comparison) drift() {
	for i := range c.Rows {
		r := &c.Rows[i]
		known := false
		for j := range c.Drifts {
			known = known || r.drifts(&c.Drifts[j])
		}
		if !known {
			c.Drifts = append(c.Drifts, Drift{Workload: r.group.workload, Unit: r.group.unit, Rate: r.group.rate, Factor: 1, difference: r.difference()})
		}
	}
	for i := range c.Drifts {
		d := &c.Drifts[i]
		var mine []*Row
		for j := range c.Rows {
			if r := &c.Rows[j]; r.drifts(d) {
				mine = append(mine, r)
			}
		}
		if !d.difference {
			d.take(mine, c.Options.MinEffect)
		}
		d.stray(mine)
	}
}

// take finds the drift at the ceilings and takes it off the rows.
func (d *Drift) take(rows []*Row, minEffect float64) {
	var ceilings, others []float64
	var ceilingSE, otherSE float64
	for _, r := range rows {
		switch {
		case r.ceiling():
			ceilings = append(ceilings, r.d)
			ceilingSE += r.se * r.se
		case r.same:
			others = append(others, r.d)
			otherSE += r.se * r.se
		}
	}
	n := float64(len(ceilings))
	if n == 0 {
		d.Note = "no ceiling has the same program in both runs: drift not known, not corrected"
		return
	}
	shift := mean(ceilings)
	se := math.Sqrt(ceilingSE) / n
	if m := float64(len(others)); m >= disagreeControls {
		mid := stats.Median(others)
		spread := make([]float64, len(others))
		for i, x := range others {
			spread[i] = math.Abs(x - mid)
		}
		// Of either side the larger of its own spread and what the spread within the runs gives.
		a := math.Max(se, math.Sqrt(variance(ceilings)/n))
		b := math.Sqrt(math.Pi/2) * math.Max(math.Sqrt(otherSE)/m, madSigma*stats.Median(spread)/math.Sqrt(m))
		if math.Abs(shift-mid) > math.Max(math.Log1p(minEffect), disagreeSigma*math.Hypot(a, b)) {
			d.Note = fmt.Sprintf("drift not known, not corrected: %d ceilings say %s, %d other cells with the same program %s", len(ceilings),
				unit.Percent(math.Expm1(shift), true), len(others), unit.Percent(math.Expm1(mid), true))
			return
		}
	}
	d.Cells, d.Factor = len(ceilings), math.Exp(shift)
	for _, r := range rows {
		r.d -= shift
		if !r.ceiling() {
			r.se = math.Hypot(r.se, se)
		}
	}
}

// stray finds how far the controls are from no difference.
func (d *Drift) stray(rows []*Row) {
	var strays []float64
	for _, r := range rows {
		if r.same {
			strays = append(strays, math.Abs(r.d))
		}
	}
	if d.Controls = len(strays); d.Controls >= tauControls {
		// The median of |x| is 0.6745 sigma for a normal x around 0, and up to a third of the controls may be outliers.
		d.Tau = stats.Median(strays) / 0.6745
	}
}

func (d Drift) String() string {
	where := d.Workload + " " + d.Unit
	if d.Rate != "" && d.Rate != "0" {
		where += " at rate " + d.Rate
	}
	s := fmt.Sprintf("%s: %s from %d ceilings", where, unit.Percent(d.Factor-1, true), d.Cells)
	if d.Note != "" {
		s = where + ": " + d.Note
	}
	if d.difference {
		s = where + ": compared as differences, no drift taken off"
	}
	if d.Controls >= tauControls && d.difference {
		s += fmt.Sprintf("; cells with the same program in both runs strayed by %s (one sigma, %d cells)", unit.Digits(d.Tau), d.Controls)
	} else if d.Controls >= tauControls {
		s += fmt.Sprintf("; cells with the same program in both runs strayed by %s (one sigma, %d cells)", unit.Percent(d.Tau, false), d.Controls)
	}
	return s
}
