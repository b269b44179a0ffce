// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"math"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
)

const (
	tauControls      = 4 // least number of controls for Drift.Tau
	disagreeControls = 3 // least number of other controls that can contradict the ceilings
	disagreeSigma    = 3 // standard errors between ceilings and other controls that disagree
	// madSigma turns a median absolute deviation into the standard deviation of a normal distribution.
	madSigma = 1.4826
)

// drift finds, for each group of rows, the machine's drift and Tau, and takes the drift off the rows.
func (c *Comparison) drift() {
	type key struct {
		group
		difference bool
	}
	rows := make([]*Row, len(c.Rows))
	for i := range c.Rows {
		rows[i] = &c.Rows[i]
	}
	for _, rows := range harness.GroupBy(rows, func(r *Row) key { return key{r.group, r.difference()} }) {
		d := Drift{Workload: rows[0].group.workload, Unit: rows[0].Unit, Rate: rows[0].group.rate, Factor: 1, difference: rows[0].difference()}
		if !d.difference {
			d.takeOff(rows, c.Options.MinEffect)
		}
		d.setTau(rows)
		c.Drifts = append(c.Drifts, d)
	}
}

// takeOff finds the drift at the ceilings and takes it off the rows.
func (d *Drift) takeOff(rows []*Row, minEffect float64) {
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
		spread := harness.Map(others, func(x float64) float64 { return math.Abs(x - mid) })
		// The standard error of each side: of its own spread, or of the spread within the runs if that is larger.
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

// setTau finds how far the controls are from no difference.
func (d *Drift) setTau(rows []*Row) {
	controls := harness.Filter(rows, func(r *Row) bool { return r.same })
	if d.Controls = len(controls); d.Controls >= tauControls {
		// The median of |x| is 0.6745 sigma for a normal x around 0; up to a third of the controls may be outliers.
		d.Tau = stats.Median(harness.Map(controls, func(r *Row) float64 { return math.Abs(r.d) })) / 0.6745
	}
}

func (d Drift) String() string {
	where := d.Workload + " " + d.Unit
	if d.Rate != "" && d.Rate != "0" {
		where += " at rate " + d.Rate
	}
	s := fmt.Sprintf("%s: %s from %d ceilings", where, unit.Percent(d.Factor-1, true), d.Cells)
	tau := unit.Percent(d.Tau, false)
	if d.Note != "" {
		s = where + ": " + d.Note
	}
	if d.difference {
		s, tau = where+": compared as differences, no drift taken off", unit.Digits(d.Tau)
	}
	if d.Controls >= tauControls {
		s += fmt.Sprintf("; cells with the same program in both runs strayed by %s (one sigma, %d cells)", tau, d.Controls)
	}
	return s
}
