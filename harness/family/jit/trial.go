// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/exact"
	"github.com/kxlab/kxlab/harness/stats"
)

const (
	// gateSeeds is how many sets of inputs the gate gives each function.
	gateSeeds = 4
	// exactTimes is how many turns each input has on target exact, where a turn is one call and others that run there only add to it.
	exactTimes = 5
	// hostRounds is how often a turn gives each input on the other targets, so that the clock's own time is small against it.
	hostRounds = 16
	// leastTurns is how many turns a trial has there at least.
	leastTurns = 31
)

// Check is the gate: each function must give the results of the second implementation, for several sets of inputs.
func (s *stage) Check(ctx context.Context, member string) error {
	p := s.places[member]
	for _, f := range functions {
		err := onCPU(func() error { return check(ctx, p, f) })
		if errors.Is(err, harness.ErrNotSupported) { // the place has no such function
			continue
		}
		if err != nil {
			return fmt.Errorf("variant %s: %w", member, err)
		}
	}
	return nil
}

func check(ctx context.Context, p place, f function) (err error) {
	once := order{inputs: abi.JitInputs, rounds: 1, turns: 1}
	s, err := p.open(f, once)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for seed := range uint64(gateSeeds) {
		j := newJob(f, seed, once)
		if err := s.run(ctx, j); err != nil {
			return err
		}
		if err := judge(f, j); err != nil {
			return err
		}
	}
	return nil
}

// newJob is a trial of a function with the inputs of a seed. Results that no function gives stand in it.
func newJob(f function, seed uint64, o order) *abi.JitJob {
	j := &abi.JitJob{Function: f.number, Inputs: uint64(o.inputs), Rounds: uint64(o.rounds), Turns: uint64(o.turns)}
	fill(j, seed)
	for i := range j.Results {
		j.Results[i] = ^f.expect(j, i)
	}
	return j
}

// Measure makes one trial.
func (s *stage) Measure(ctx context.Context, c harness.Cell, b harness.Budget) (r harness.Result, err error) {
	f, err := functionOf(c.Axis(axisFunction))
	if err != nil {
		return r, harness.SetupError(err)
	}
	if b.Exact {
		defer exact.Quiet()()
	}
	err = onCPU(func() error {
		r, err = measure(ctx, s.places[c.Variant], f, b)
		return err
	})
	if err != nil {
		err = fmt.Errorf("variant %s: %w", c.Variant, err)
	}
	return r, err
}

// measure makes a trial: turns of the function and of the empty one, one after the other.
func measure(ctx context.Context, p place, f function, b harness.Budget) (r harness.Result, err error) {
	o, unit, cost := order{abi.JitInputs, hostRounds, leastTurns}, "cpu-ns/op", medians
	if b.Exact {
		o, unit, cost = order{1, 1, exactTimes * abi.JitInputs}, "insn/op", lowest
	}
	s, err := p.open(f, o)
	if err != nil {
		return r, harness.SetupError(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if !b.Exact {
		j := newJob(f, b.Seed, o)
		if err := s.run(ctx, j); err != nil {
			return r, err
		}
		o.turns = int(min(abi.JitTurns, max(leastTurns, int64(leastTurns*b.Measure/spent(j)))))
	}
	j := newJob(f, b.Seed, o)
	if err := s.run(ctx, j); err != nil {
		return r, err
	}
	if err := judge(f, j); err != nil {
		return r, harness.SetupError(err)
	}
	calls := float64(o.inputs * o.rounds)
	took, idle := cost(j.Took[:o.turns])/calls, cost(j.Idle[:o.turns])/calls
	r.Measured, r.Iterations = spent(j), int64(calls)*int64(o.turns)
	r.Metrics = []harness.Metric{{Unit: unit, Value: took - idle}}
	r.Series = []harness.Series{{Name: "empty", Unit: unit, Y: []float64{idle}, Notes: "a call of the empty function, with its share of the loop and of the clock"}}
	return r, nil
}

// spent is the time of all turns.
func spent(j *abi.JitJob) (d time.Duration) {
	for i := range j.Turns {
		d += time.Duration(j.Took[i] + j.Idle[i])
	}
	return max(d, 1)
}

// medians is the time of the median turn, ns.
func medians(turns []uint64) float64 {
	return stats.Median(harness.Map(turns, func(n uint64) float64 { return float64(n) }))
}

// lowest is the mean over the inputs, whose turns follow one another, of the shortest turn of each, ns.
func lowest(turns []uint64) float64 {
	sum := uint64(0)
	for at := range abi.JitInputs {
		least := turns[at]
		for i := at; i < len(turns); i += abi.JitInputs {
			least = min(least, turns[i])
		}
		sum += least
	}
	return float64(sum) / abi.JitInputs
}
