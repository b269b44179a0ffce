// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"math"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
)

// DefaultMinEffectExact is DefaultMinEffect on target exact.
const DefaultMinEffectExact = 0.005

// judgeExact gives every row of two runs on target exact its verdict. There is no drift there: the same tree under the same
// seed gives the same digits, and what differs between repeats is the seed. So rows are paired by seed:
//
//  1. The median over the seeds of log(new/old), or of new less old, must reach the least difference in force: the one asked
//     for or that of the definition, or the distance of either run's A/A pairs in this workload and unit. Their members have other
//     addresses and fall into other hash buckets, which a changed program does as well.
//  2. A t test of the mean over the seeds must give p < Alpha after the correction of Benjamini and Hochberg (1995). The
//     row's variance is moderated by those of its group (Smyth 2004): rows as quiet as their neighbours gain degrees of
//     freedom, and a row that is noisier than they are keeps its own variance. Rows that did not differ in any digit tell nothing of
//     how much seeds differ, and cannot be found: they count neither in the variance nor in the correction.
//
// One seed has no variance: its rows are not judged.
func (c *Comparison) judgeExact(old, new *Analysis) {
	groups := map[group][]*Row{}
	var order []group
	for i := range c.Rows {
		r := &c.Rows[i]
		r.pairUp()
		r.raise(true, old, new)
		switch {
		case r.beyond:
			r.Verdict = NotKnown
			r.remark("a value lies beyond what the trial could measure")
		case len(r.pairs) == 0:
			r.Verdict = NoSeed
		case len(r.pairs) == 1:
			r.Verdict = OneTrial
			r.remark("one seed: how much seeds differ is not known")
		case !allZero(r.pairs):
			g := r.group
			g.unit += " " + r.Compare
			if groups[g] == nil {
				order = append(order, g)
			}
			groups[g] = append(groups[g], r)
		default:
			one := 1.0
			r.P, r.Findable = &one, r.Floor
		}
	}
	var family []*Row
	var p []float64
	for _, g := range order {
		prior := priorOf(groups[g])
		for _, r := range groups[g] {
			family, p = append(family, r), append(p, r.pairedP(prior))
			r.find(prior, c.Options.Alpha)
		}
	}
	for i, q := range stats.BenjaminiHochberg(p) {
		family[i].P = &q
	}
	c.decide(new)
}

// pairUp pairs the row's values by seed, and takes their median.
func (r *Row) pairUp() {
	at := bySeed(r.old)
	var pairs [][2]float64
	ratio := !r.difference()
	for i, repeat := range r.new.Repeats {
		if o, ok := at[repeat]; ok {
			pairs = append(pairs, [2]float64{o, r.new.Values[i]})
		}
	}
	for _, v := range pairs {
		if ratio {
			r.pairs = append(r.pairs, math.Log(v[1]/v[0]))
		} else {
			r.pairs = append(r.pairs, v[1]-v[0])
		}
	}
	if len(r.pairs) == 0 {
		return
	}
	if r.Delta = stats.Median(r.pairs); ratio {
		r.Delta = math.Expm1(r.Delta)
	}
}

// priorOf is what the rows of a group say of each other's variance.
func priorOf(rows []*Row) stats.Prior {
	var v, df []float64
	for _, r := range rows {
		v, df = append(v, variance(r.pairs)), append(df, float64(len(r.pairs)-1))
	}
	return stats.NewPrior(v, df)
}

// pairedP is the p value of a t test of the mean of the pairs, with the variance moderated.
func (r *Row) pairedP(prior stats.Prior) float64 {
	n := float64(len(r.pairs))
	v, df := prior.Moderate(variance(r.pairs), n-1)
	m := mean(r.pairs)
	if v == 0 { // the same difference under every seed
		if m == 0 {
			return 1
		}
		return 0
	}
	return stats.TailT(math.Abs(m)/math.Sqrt(v/n), df)
}

// find sets the least difference that the row could have shown.
func (r *Row) find(prior stats.Prior, alpha float64) {
	n := float64(len(r.pairs))
	v, df := prior.Moderate(variance(r.pairs), n-1)
	least := stats.CriticalT(alpha, df) * math.Sqrt(v/n)
	if !r.difference() {
		least = math.Expm1(least)
	}
	r.Findable = math.Max(r.Floor, least)
}

func allZero(v []float64) bool {
	for _, x := range v {
		if x != 0 {
			return false
		}
	}
	return true
}

// bySeed is the value of a sample in each repeat.
func bySeed(s *record.Sample) map[int]float64 {
	out := map[int]float64{}
	for i, v := range s.Values {
		out[s.Repeats[i]] = v
	}
	return out
}

// sameSeeds returns an error unless two runs on target exact can be paired by seed.
func sameSeeds(old, new *record.Run) error {
	if old.Env.Target == harness.TargetExact && old.Env.Seed != new.Env.Seed {
		return fmt.Errorf("%w: seeds %d and %d: on target exact runs are paired by seed", errIncomparable, old.Env.Seed, new.Env.Seed)
	}
	return nil
}
