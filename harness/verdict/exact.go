// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"math"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
)

// DefaultMinEffectExact is DefaultMinEffect on target exact.
const DefaultMinEffectExact = 0.005

// judgeExact sets the verdicts of two runs on target exact. There is no drift: the same tree under the same seed gives the same
// digits, and repeats differ in their seed only. So values are paired by seed:
//
//  1. The median over the seeds of log(new/old), or of new less old, must reach the least difference in force: of the options or
//     the definition, or the A/A noise of either run in this workload and unit. The members of an A/A pair have other addresses
//     and hash to other buckets, as the packets of a changed program may.
//  2. A t test of the mean over the seeds must give p < Alpha after the correction of Benjamini and Hochberg (1995). The row's
//     variance is moderated by those of its group (Smyth 2004): a row as quiet as its group gains degrees of freedom, a
//     noisier one keeps its own variance. Rows without any difference have no spread: they count neither in the variance nor
//     in the correction.
//
// One seed has no variance: its rows have no verdict.
func (c *Comparison) judgeExact(before, after *Analysis) {
	var moved []*Row // rows that differ
	for i := range c.Rows {
		r := &c.Rows[i]
		r.pairUp()
		r.raise(true, before, after)
		switch {
		case r.beyond:
			r.Verdict = NotKnown
			r.remark("a value lies beyond what the trial could measure")
		case len(r.pairs) == 0:
			r.Verdict = NoSeed
		case len(r.pairs) == 1:
			r.Verdict = OneTrial
			r.remark("one seed: how much seeds differ is not known")
		case slices.ContainsFunc(r.pairs, func(x float64) bool { return x != 0 }):
			moved = append(moved, r)
		default:
			r.P, r.Findable = new(1.0), r.Floor
		}
	}
	type key struct {
		group
		compare string
	}
	var family []*Row
	var p []float64
	for _, rows := range harness.GroupBy(moved, func(r *Row) key { return key{r.group, r.Compare} }) {
		prior := priorOf(rows)
		for _, r := range rows {
			r.spread(prior)
			family, p = append(family, r), append(p, r.pairedP())
			r.setFindable(c.Options.Alpha)
		}
	}
	for i, q := range stats.BenjaminiHochberg(p) {
		family[i].P = &q
	}
	c.decide(after)
}

// pairUp pairs the row's values by seed, and takes their median.
func (r *Row) pairUp() {
	ratio := !r.difference()
	for _, v := range pairs(r.new, r.old) {
		if ratio {
			r.pairs = append(r.pairs, logRatio(v[0], v[1]))
		} else {
			r.pairs = append(r.pairs, v[0]-v[1])
		}
	}
	if len(r.pairs) == 0 {
		return
	}
	if r.Delta = stats.Median(r.pairs); ratio {
		r.Delta = relative(r.Delta)
	}
}

// priorOf is the prior of the variances of a group's rows.
func priorOf(rows []*Row) stats.Prior {
	var v, df []float64
	for _, r := range rows {
		v, df = append(v, variance(r.pairs)), append(df, float64(len(r.pairs)-1))
	}
	return stats.NewPrior(v, df)
}

// spread sets the standard error of the mean of the pairs and its degrees of freedom, with the variance moderated.
func (r *Row) spread(prior stats.Prior) {
	n := float64(len(r.pairs))
	v, df := prior.Moderate(variance(r.pairs), n-1)
	r.se, r.df = math.Sqrt(v/n), df
}

// pairedP is the p value of a t test of the mean of the pairs.
func (r *Row) pairedP() float64 {
	m := mean(r.pairs)
	if r.se == 0 { // the same difference under every seed
		if m == 0 {
			return 1
		}
		return 0
	}
	return stats.TailT(math.Abs(m)/r.se, r.df)
}

// setFindable sets the least difference that the row could have shown.
func (r *Row) setFindable(alpha float64) {
	least := stats.CriticalT(alpha, r.df) * r.se
	if !r.difference() {
		least = relative(least)
	}
	r.Findable = math.Max(r.Floor, least)
}

// sameSeeds returns an error unless two runs on target exact can be paired by seed.
func sameSeeds(old, new *record.Run) error {
	if old.Env.Target == harness.TargetExact && old.Env.Seed != new.Env.Seed {
		return fmt.Errorf("%w: seeds %d and %d: on target exact runs are paired by seed", errIncomparable, old.Env.Seed, new.Env.Seed)
	}
	return nil
}
