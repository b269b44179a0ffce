// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"math"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
)

// judgeHost sets the verdicts of two runs on targets host and vm.
func (c *Comparison) judgeHost(before, after *Analysis) {
	for _, a := range []*Analysis{before, after} {
		c.Broken = append(c.Broken, BrokenGates(c.selectedNoise(a), c.Options.MinEffect)...)
	}
	for i := range c.Rows {
		c.Rows[i].prepare()
		c.Rows[i].raise(false, before, after)
	}
	c.drift()
	var family []*Row // the rows that the correction counts
	var p []float64
	for i := range c.Rows {
		r := &c.Rows[i]
		d := c.driftOf(r)
		b := slices.Clone(r.new.Values)
		r.Delta = r.d
		if !r.difference() {
			r.Delta = relative(r.d)
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
			r.remark(fmt.Sprintf("%d against %s cannot show a difference; 4 are needed", r.Old.N, harness.Plural(r.New.N, "repeat")))
		case r.appeared():
			r.P = new(r.RankP)
			r.remark("0 in all repeats of one run only")
		default:
			family, p = append(family, r), append(p, r.medianP(d))
		}
	}
	for i, q := range stats.BenjaminiHochberg(p) {
		q = math.Max(q, family[i].RankP)
		family[i].P = &q
	}
	c.decide(after)
}

// selectedNoise is the A/A noise of the workloads that are to be compared.
func (c *Comparison) selectedNoise(a *Analysis) []Noise {
	return harness.Filter(a.Noise, func(n Noise) bool { return c.selected(a, a.at[sampleID{n.Cell, n.Unit}]) })
}

// prepare takes the difference of the medians, before any drift is taken off, and its standard error.
func (r *Row) prepare() {
	if r.difference() {
		r.d = r.New.Median - r.Old.Median
		r.se = math.Hypot(medianSE(r.old.Values), medianSE(r.new.Values))
		return
	}
	logs := func(s *record.Sample) []float64 { return harness.Map(s.Values, math.Log) }
	r.d = logRatio(r.New.Median, r.Old.Median)
	r.se = math.Hypot(medianSE(logs(r.old)), medianSE(logs(r.new)))
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
	return !slices.ContainsFunc(zero, func(x float64) bool { return x != 0 }) &&
		!slices.ContainsFunc(other, func(x float64) bool { return !(math.Abs(x) >= r.Floor) || x == 0 })
}

// medianP is the p value of a t test of the difference of medians, with the standard error of the runs' spread or of the controls.
func (r *Row) medianP(d Drift) float64 {
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

// decide sets the verdicts of rows that have none from their p values and differences.
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
			r.Verdict = Differs
		case (way > 0) == (r.Delta > 0):
			r.Verdict = Better
		default:
			r.Verdict = Worse
		}
	}
}

// driftOf is the drift of the row's group.
func (c *Comparison) driftOf(r *Row) Drift {
	d, _ := harness.Find(c.Drifts, func(d Drift) bool {
		return d.Workload == r.group.workload && d.Unit == r.group.unit && d.Rate == r.group.rate && d.difference == r.difference()
	})
	return d
}

// ceiling reports whether the row shows the machine's drift: a program that does no work and is the same in both runs.
func (r *Row) ceiling() bool { return r.same && r.Cell.Class == harness.ClassCeiling }

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
	s := fmt.Sprintf("%s: %s from %s", where, unit.Percent(d.Factor-1, true), harness.Plural(d.Cells, "ceiling"))
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
