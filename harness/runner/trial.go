// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
)

const (
	// attempts is how often a trial is tried before it is given up.
	attempts = 3
	// maxSteal is the share of the CPUs' time that other guests of the machine's host may take during a trial.
	maxSteal = 0.05
	// stealTick is how coarsely the kernel counts it: a reading may be wrong by so much.
	stealTick = 10 * time.Millisecond
	// patience is how much longer than ten times its budget a trial may take before it counts as stuck, and guestPatience
	// the same in a guest, where nothing is set up in a trial that would take long.
	patience      = 2 * time.Minute
	guestPatience = time.Minute
)

// limit is how long a trial of the block may take.
func (b Block) limit(patience time.Duration) time.Duration { return 10*(b.Warm+b.Measure) + patience }

// step makes one trial, in several attempts if they do not count.
func (r *run) step(ctx context.Context, stage harness.Stage, s Step) error {
	began := time.Now()
	defer func() { r.Progress.done(s, time.Since(began)) }()
	state := r.cells.of(s.Cell)
	if state.skipped {
		return nil
	}
	tries := attempts
	if state.given {
		tries = 1
	}
	for range tries {
		r.Progress.trial(s)
		if r.Begin != nil {
			if err := r.Begin(s); err != nil {
				return err
			}
		}
		t := harness.Trial{Cell: s.Cell, Repeat: s.Repeat, Order: r.order, Seed: s.Seed, Start: time.Now()}
		r.order++
		var err error
		t.Result, err = r.measure(ctx, stage, s)
		if ctx.Err() != nil {
			return ctx.Err() // a trial that was cut short is none
		}
		if errors.Is(err, harness.ErrNotSupported) {
			return r.skip(s.Cell, err.Error())
		}
		if err != nil {
			t.Result.Invalid = err.Error()
		}
		if t.Result.Invalid == "" {
			t.Result.Invalid = undeclared(spec(r.plan.Experiment, s.Cell.Workload), t.Result.Metrics)
		}
		r.Measured += t.Result.Measured
		if t.Result.Invalid == "" {
			r.Valid++
			state.valid++
			return r.Record.Trial(t)
		}
		r.Rejected++
		if err := r.Record.Reject(t, t.Result.Invalid); err != nil {
			return err
		}
		r.Progress.remark("rejected %s: %s", s.Cell.BenchName(), cut(t.Result.Invalid))
	}
	state.given = true
	return nil
}

// measure is one attempt, with what others took of the machine meanwhile.
func (r *run) measure(ctx context.Context, stage harness.Stage, s Step) (harness.Result, error) {
	limit := s.Block.limit(cmp.Or(r.Patience, patience))
	tctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	before, berr := r.Steal()
	began := time.Now()
	res, err := stage.Measure(tctx, s.Cell, harness.Budget{Warm: s.Block.Warm, Measure: s.Block.Measure, Seed: s.Seed, Exact: r.Exact})
	wall := time.Since(began)
	if err != nil {
		if tctx.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("took longer than %v: %w", limit, err)
		}
		return res, err
	}
	after, aerr := r.Steal()
	if berr != nil || aerr != nil || res.Invalid != "" {
		return res, nil
	}
	stolen := after - before
	if bound := time.Duration(maxSteal * float64(wall) * float64(runtime.NumCPU())); stolen > bound+stealTick {
		res.Invalid = fmt.Sprintf("other guests took %v of CPU time during %v (at most %.0f %% of all CPUs' time may be taken)",
			stolen, wall.Round(time.Millisecond), 100*maxSteal)
	}
	return res, nil
}

// maxRemark is how much of a reason's first line is shown while the run goes, bytes; all of it is in the record.
const maxRemark = 160

func cut(reason string) string {
	reason, _, _ = strings.Cut(reason, "\n")
	if len(reason) <= maxRemark {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxRemark], "") + "…"
}

// undeclared says what is wrong with the units that a workload reported, or "".
func undeclared(w harness.WorkloadSpec, metrics []harness.Metric) string {
	if len(metrics) == 0 {
		return "the workload reported no number"
	}
	units := names(w.Metrics, func(m harness.MetricSpec) string { return m.Unit })
	for _, m := range metrics {
		if err := harness.Known("unit", m.Unit, units); err != nil {
			return "the definition does not declare what was reported: " + err.Error()
		}
	}
	return ""
}

// skip writes down, once a cell, that it cannot run here.
func (r *run) skip(c harness.Cell, reason string) error {
	state := r.cells.of(c)
	if state.skipped {
		return nil
	}
	state.skipped = true
	r.Skipped++
	return r.Record.Skip(c, reason)
}
