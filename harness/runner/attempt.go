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
	"github.com/kxlab/kxlab/harness/mark"
)

const (
	// attempts is how often a trial is tried before it is given up.
	attempts = 3
	// maxSteal is the share of the CPUs' time that other guests of the machine's host may take during a trial.
	maxSteal = 0.05
	// stealTick is how coarsely the kernel counts it: a reading may be wrong by so much.
	stealTick = 10 * time.Millisecond
	// patience is how much longer than ten times its budget a trial may take, guestPatience the same in a guest, where no
	// trial includes a slow set-up.
	patience      = 2 * time.Minute
	guestPatience = time.Minute
)

// limit is how long a trial of the block may take.
func (b Block) limit(patience time.Duration) time.Duration { return 10*(b.Warm+b.Measure) + patience }

// step makes one trial, in several attempts while they are invalid.
func (w *worker) step(ctx context.Context, stage harness.Stage, s Step) error {
	name, mark := s.Cell.BenchName(), s.mark()
	tries := attempts
	if w.exhausted[name] {
		tries = 1
	}
	for range tries {
		t := harness.Trial{Cell: s.Cell, Repeat: s.Repeat, Seed: s.Seed, Start: time.Now()}
		if err := w.send(event{Begin: &mark, Start: t.Start}); err != nil {
			return err
		}
		var err error
		t.Result, err = w.measure(ctx, stage, s)
		if ctx.Err() != nil {
			return ctx.Err() // a trial that was cut short is none
		}
		if o, decided := decideTrial(t.Result, err); decided {
			o.Cell, w.decided[name] = name, true
			return cmp.Or(w.send(event{Outcome: &o}), w.spent(t.Result))
		}
		switch {
		case err != nil:
			t.Result.Invalid = err.Error()
		case t.Result.Invalid == "":
			t.Result.Invalid = checkUnits(w.plan.Experiment, s.Cell.Workload, t.Result.Metrics)
		}
		if t.Result.Invalid == "" {
			return cmp.Or(w.send(event{Trial: &t}), w.spent(t.Result))
		}
		if err := w.send(event{Reject: &rejection{t, t.Result.Invalid, harness.AtTrial}}); err != nil {
			return err
		}
	}
	w.exhausted[name] = true
	return nil
}

// errSpent ends a worker whose machine must make no further trial.
var errSpent = errors.New("the guest must make no further trial")

// spent is errSpent if a trial has spent this guest.
func (w *worker) spent(r harness.Result) error {
	if r.Spent && w.guest {
		return errSpent
	}
	return nil
}

// measure makes one attempt. It is invalid if other guests of the machine's host took too much CPU time meanwhile.
func (w *worker) measure(ctx context.Context, stage harness.Stage, s Step) (harness.Result, error) {
	limit := s.Block.limit(w.patience)
	tctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	before, berr := w.steal()
	began := time.Now()
	budget := harness.Budget{Warm: s.Block.Warm, Measure: s.Block.Measure, Seed: s.Seed, Exact: w.exact}
	if w.counted {
		budget.Counted = &harness.Counted{}
		mark.Trial()
	}
	var recording Recording
	if w.sampler != nil {
		var err error
		if recording, err = w.sampler(w.exact); err != nil {
			return harness.Result{}, err
		}
		budget.Sampler = recording
	}
	res, err := stage.Measure(tctx, s.Cell, budget)
	res.Counted = budget.Counted
	if recording != nil {
		stacks, serr := recording.Close()
		res.Stacks, err = &stacks, errors.Join(err, serr)
	}
	wall := time.Since(began)
	if err != nil {
		if tctx.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("took longer than %v: %w", limit, err)
		}
		return res, err
	}
	after, aerr := w.steal()
	if berr != nil || aerr != nil || res.Invalid != "" {
		return res, nil
	}
	stolen := after - before
	if tooMuchStolen(stolen, wall, runtime.NumCPU()) {
		res.Invalid = fmt.Sprintf("other guests took %v of CPU time during %v (at most %.0f %% of all CPUs' time may be taken)",
			stolen, wall.Round(time.Millisecond), 100*maxSteal)
	}
	return res, nil
}

// tooMuchStolen tells whether other guests took more of the CPUs' time than a trial may lose.
func tooMuchStolen(stolen, wall time.Duration, cpus int) bool {
	return stolen > time.Duration(maxSteal*float64(wall)*float64(cpus))+stealTick
}

// maxRemark is how much of a reason's first line Progress shows, bytes; the record has all of it.
const maxRemark = 160

func cut(reason string) string {
	if reason = firstLine(reason); len(reason) <= maxRemark {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxRemark], "") + "…"
}

// checkUnits returns what is wrong with the units that a workload reported, or "".
func checkUnits(e harness.Experiment, workload string, metrics []harness.Metric) string {
	if len(metrics) == 0 {
		return "the workload reported no number"
	}
	w, _ := e.Workload(workload)
	for _, m := range metrics {
		if err := harness.Known("unit", m.Unit, w.Units()); err != nil {
			return "the definition does not declare what was reported: " + err.Error()
		}
	}
	return ""
}
