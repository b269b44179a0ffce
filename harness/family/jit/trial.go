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
	// exactTurns is how many turns a trial has on target exact, where undisturbed turns are alike to the digit; on others it is the least.
	exactTurns = 31
	// hostRounds is how often a turn gives each input on the other targets, so that the clock's own time is small against it.
	hostRounds = 16
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
	s, err := p.open(f, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for seed := range uint64(gateSeeds) {
		j := newJob(f, seed, 1, 1)
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
func newJob(f function, seed uint64, rounds, turns int) *abi.JitJob {
	j := &abi.JitJob{Function: f.number, Rounds: uint64(rounds), Turns: uint64(turns)}
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

// measure makes the turns of a trial. Function and empty function take turns, and the medians count; on target exact the lowest number
// that a tenth of the turns has, as anything else that runs there only adds.
func measure(ctx context.Context, p place, f function, b harness.Budget) (r harness.Result, err error) {
	rounds, turns, typical := hostRounds, exactTurns, stats.Median
	if b.Exact {
		rounds, typical = 1, func(v []float64) float64 { return stats.Floor(v, 0.1) }
	}
	s, err := p.open(f, rounds)
	if err != nil {
		return r, harness.SetupError(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if !b.Exact {
		j := newJob(f, b.Seed, rounds, exactTurns)
		if err := s.run(ctx, j); err != nil {
			return r, err
		}
		turn := stats.Median(nanoseconds(j.Took[:exactTurns])) + stats.Median(nanoseconds(j.Idle[:exactTurns]))
		turns = int(min(abi.JitTurns, max(exactTurns, float64(b.Measure.Nanoseconds())/turn)))
	}
	j := newJob(f, b.Seed, rounds, turns)
	if err := s.run(ctx, j); err != nil {
		return r, err
	}
	if err := judge(f, j); err != nil {
		return r, harness.SetupError(err)
	}
	took, idle := nanoseconds(j.Took[:turns]), nanoseconds(j.Idle[:turns])
	calls := float64(rounds * abi.JitInputs)
	unit := "cpu-ns/op"
	if b.Exact {
		unit = "insn/op"
	}
	for i := range took {
		r.Measured += time.Duration(took[i] + idle[i])
	}
	r.Iterations = int64(calls) * int64(turns)
	r.Metrics = []harness.Metric{{Unit: unit, Value: (typical(took) - typical(idle)) / calls}}
	r.Series = []harness.Series{{Name: "empty", Unit: unit, Y: []float64{typical(idle) / calls}, Notes: "what a call of the empty function takes, with its share of the loop and of the clock"}}
	return r, nil
}

func nanoseconds(v []uint64) []float64 {
	return harness.Map(v, func(n uint64) float64 { return float64(n) })
}
