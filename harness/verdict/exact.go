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

// exactRow is what judgeExact knows of a row beyond the row: one logarithm of new/old for each seed.
type exactRow struct {
	row  *Row
	logs []float64
}

// judgeExact gives every row of two runs on target exact its verdict. There is no noise and no drift there: the same tree
// under the same seed gives the same digits, and what differs between repeats is the seed. So rows are paired by seed:
//
//  1. The median over the seeds of log(new/old) must reach the minimum effect.
//  2. A t test of the mean of these logarithms, with the variance pooled over all rows of the workload and unit, must give
//     p < Alpha after the correction of Benjamini and Hochberg (1995) over all rows. A pooled variance is what lets two or
//     three seeds decide: one row's own would have one or two degrees of freedom.
//
// The A/A pair plays no part: its members have other addresses and fall into other hash buckets, which a pair of one
// seed does not suffer from.
func (c *Comparison) judgeExact(old, new *record.Run) {
	olds, news := bySeed(old), bySeed(new)
	pools := map[[2]string]*pool{}
	var rows []exactRow
	for i := range c.Rows {
		r := &c.Rows[i]
		r.Floor = c.Options.MinEffect
		e := exactRow{row: r}
		k := r.Name + " " + r.Unit
		for repeat, a := range olds[k] {
			if b, ok := news[k][repeat]; ok && a > 0 && b > 0 {
				e.logs = append(e.logs, math.Log(b/a))
			}
		}
		at := [2]string{r.Cell.Workload, r.Unit}
		if pools[at] == nil {
			pools[at] = &pool{}
		}
		pools[at].add(e.logs)
		rows = append(rows, e)
	}
	p := make([]float64, len(rows))
	for i, e := range rows {
		p[i] = e.pValue(pools[[2]string{e.row.Cell.Workload, e.row.Unit}])
	}
	for i, q := range stats.BenjaminiHochberg(p) {
		r := rows[i].row
		r.P, r.RankP = q, p[i]
		r.Verdict = rows[i].verdict(c.Options.Alpha, old.Env.Better(r.Cell.Workload, r.Unit))
	}
}

// A pool gathers the variance within rows.
type pool struct {
	ss float64 // sum of squares around the rows' means
	df int
}

func (p *pool) add(logs []float64) {
	m := mean(logs)
	for _, x := range logs {
		p.ss += (x - m) * (x - m)
	}
	p.df += max(0, len(logs)-1)
}

func (e exactRow) pValue(p *pool) float64 {
	r := e.row
	if len(e.logs) == 0 { // zeros: nothing to take a logarithm of
		r.Delta = deltaWithZeros(r.Old.Median, r.New.Median)
		r.Note = "holds zeros: called different if the medians are"
		if r.Delta == 0 {
			return 1
		}
		return 0
	}
	r.Delta = math.Expm1(stats.Median(e.logs))
	m := mean(e.logs)
	switch {
	case m == 0:
		return 1
	case p.df == 0:
		r.Note = "one seed: how much seeds differ is not known"
		return 0
	case p.ss == 0:
		return 0
	}
	se := math.Sqrt(p.ss/float64(p.df)) / math.Sqrt(float64(len(e.logs)))
	return stats.TailT(math.Abs(m)/se, float64(p.df))
}

func (e exactRow) verdict(alpha float64, way int) string {
	r := e.row
	effect := math.Abs(math.Log1p(math.Max(r.Delta, -1+1e-9)))
	switch {
	case r.P >= alpha || effect < math.Log1p(r.Floor):
		return Same
	case way == 0:
		r.Note = "the run does not say which way is better"
		return Same
	case (way > 0) == (r.Delta > 0):
		return Better
	}
	return Worse
}

// bySeed is the value of each cell and unit in each repeat.
func bySeed(r *record.Run) map[string]map[int]float64 {
	out := map[string]map[int]float64{}
	for _, s := range r.Samples() {
		k := s.Cell.BenchName() + " " + s.Unit
		out[k] = map[int]float64{}
		for i, v := range s.Values {
			out[k][s.Repeats[i]] = v
		}
	}
	return out
}

// sameSeeds returns an error unless two runs on target exact can be paired by seed.
func sameSeeds(old, new *record.Run) error {
	if old.Env.Target == harness.TargetExact && old.Env.Seed != new.Env.Seed {
		return fmt.Errorf("%w: seeds %d and %d: on target exact runs are paired by seed", ErrIncomparable, old.Env.Seed, new.Env.Seed)
	}
	return nil
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x / float64(len(v))
	}
	return sum
}
