// SPDX-License-Identifier: Apache-2.0

// Package turns compares two variants of any family by short trials that alternate within one set-up: both are in force, and the same
// traffic goes through one and the other by turns, in Thue-Morse order. Drift of the machine falls on both alike.
//
// Where a variant stands (its namespace, its memory) makes a difference of its own. Hence Compare sets up several times, with A and B in
// each other's place every second time, and its interval is over set-ups. Programs alone are compared more finely by package laps.
package turns

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/stats"
)

// Options of a comparison.
type Options struct {
	Setups int // an even number, at least 4
	Pairs  int // turns of each side in a set-up
	// Budget of a turn: what is warmed up does not count.
	Budget harness.Budget
	// Within is the time after which no set-up begins if there are leastSetups; 0: none. It ends by the clock, never by what was found.
	Within time.Duration
	// Note is called at the end if turns did not count and were made again; may be nil.
	Note func(string)
}

const (
	leastSetups = 4
	// maxInvalid is how many turns of a comparison may be invalid in a row.
	maxInvalid = 10
	confidence = 0.95
)

// A Comparison says what a metric is in A and in B.
type Comparison struct {
	Unit string
	A, B float64 // medians of turns
	// Change is B against A, less 1, with its interval over set-ups: 95 of 100 comparisons hold all of their metrics.
	Change, Low, High float64
	Setups, Pairs     int // pairs of turns in all
}

// Compare measures a cell of A and of B, the two members of a group in this order, by turns: a comparison for each metric whose values are
// above 0 in every turn, in the order of the first.
func Compare(ctx context.Context, f harness.Family, g harness.Group, cell harness.Cell, o Options) ([]Comparison, error) {
	if o.Setups < leastSetups || o.Setups%2 != 0 || o.Pairs < 1 {
		return nil, fmt.Errorf("compare by turns: %d set-ups with %d pairs: want an even number of set-ups, at least %d", o.Setups, o.Pairs, leastSetups)
	}
	g.Members = slices.Clone(g.Members)
	r := &run{Options: o, cell: cell, names: [2]string{g.Members[0].Name, g.Members[1].Name}}
	for began := time.Now(); r.setups < o.Setups && (o.Within == 0 || r.setups < leastSetups || time.Since(began) < o.Within); {
		for range 2 { // the second has A and B in each other's place
			if err := r.setup(ctx, f, g); err != nil {
				return nil, err
			}
			slices.Reverse(g.Members)
			r.setups++
		}
	}
	if r.invalid > 0 && o.Note != nil {
		o.Note(fmt.Sprintf("%s did not count and %s made again, the last of %s", harness.Plural(r.invalid, "turn"), harness.Were(r.invalid), r.reason))
	}
	return r.compare(), nil
}

// A run is a comparison so far.
type run struct {
	Options
	cell    harness.Cell
	names   [2]string // of A and B
	setups  int
	invalid int    // turns
	reason  string // of the last of them
	units   []string
	values  map[string]*values
}

// values are those of a metric.
type values struct {
	sides  [2][]float64
	pairs  []float64 // logarithm of B against A, of the set-up that stands
	change []float64 // their trimmed mean, of each set-up
	broken bool      // some are not above 0
}

// setup sets both up, checks them the first time, and lets them take turns.
func (r *run) setup(ctx context.Context, f harness.Family, g harness.Group) (err error) {
	st, err := f.Prepare(ctx, g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	for _, name := range r.names {
		if err := st.Absent()[name]; err != nil {
			return err
		}
		if r.setups == 0 {
			if err := st.Check(ctx, name); err != nil {
				return fmt.Errorf("%s did not pass its correctness gate: %w", name, err)
			}
		}
	}
	for pair := range r.Pairs {
		// The parity of the pair's number: the Thue-Morse sequence. Every second set-up begins with the other side.
		first := (bits.OnesCount(uint(pair)) + r.setups) & 1
		var of [2]harness.Result
		for _, side := range []int{first, 1 - first} {
			if of[side], err = r.turn(ctx, st, side); err != nil {
				return err
			}
		}
		r.add(of)
	}
	for _, v := range r.values {
		if !v.broken {
			mean, _ := stats.TrimmedMean(v.pairs, confidence)
			v.change, v.pairs = append(v.change, mean), nil
		}
	}
	return nil
}

// turn measures one side, again if the turn does not count.
func (r *run) turn(ctx context.Context, st harness.Stage, side int) (harness.Result, error) {
	c := r.cell
	c.Variant = r.names[side]
	for n := 0; ; n++ {
		res, err := st.Measure(ctx, c, r.Budget)
		switch {
		case ctx.Err() != nil:
			return res, ctx.Err()
		case err == nil && res.Invalid == "":
			return res, nil
		case errors.Is(err, harness.ErrNotSupported) || errors.Is(err, harness.ErrSetup):
			return res, fmt.Errorf("%s: %w", c.Variant, err)
		case err != nil:
			res.Invalid = err.Error()
		}
		if n == maxInvalid {
			return res, fmt.Errorf("%s: %d turns in a row do not count, the last: %s", c.Variant, n+1, res.Invalid)
		}
		r.invalid++
		r.reason = c.Variant + ": " + res.Invalid
	}
}

// add adds a pair of turns.
func (r *run) add(of [2]harness.Result) {
	if r.values == nil {
		r.values = map[string]*values{}
		for _, m := range of[0].Metrics {
			r.units = append(r.units, m.Unit)
			r.values[m.Unit] = &values{}
		}
	}
	for _, unit := range r.units {
		v := r.values[unit]
		var pair [2]float64
		for side := range of {
			m, _ := harness.Find(of[side].Metrics, func(m harness.Metric) bool { return m.Unit == unit && !m.Beyond })
			pair[side] = m.Value
			v.sides[side] = append(v.sides[side], m.Value)
		}
		if v.broken = v.broken || pair[0] <= 0 || pair[1] <= 0; !v.broken {
			v.pairs = append(v.pairs, math.Log(pair[1]/pair[0]))
		}
	}
}

// compare sums up.
func (r *run) compare() (out []Comparison) {
	for _, unit := range r.units {
		v := r.values[unit]
		if v.broken {
			continue
		}
		c := Comparison{Unit: unit, A: stats.Median(v.sides[0]), B: stats.Median(v.sides[1]), Setups: r.setups, Pairs: len(v.sides[0])}
		mean, deviation := stat.MeanStdDev(v.change, nil)
		n := float64(len(v.change))
		half := stats.CriticalT((1-confidence)/float64(len(r.units)), n-1) * deviation / math.Sqrt(n)
		c.Change, c.Low, c.High = math.Expm1(mean), math.Expm1(mean-half), math.Expm1(mean+half)
		out = append(out, c)
	}
	return out
}
