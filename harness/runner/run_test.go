// SPDX-License-Identifier: Apache-2.0

package runner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
)

func TestRun(t *testing.T) {
	f, p := newFake(), plan(t, runner.Selection{})
	sum, err := f.run(t, t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Valid != p.Trials() || len(f.trials) != p.Trials() || len(cells(f.trials)) != p.Cells() {
		t.Errorf("%d valid, %d recorded of %d cells, planned %d", sum.Valid, len(f.trials), len(cells(f.trials)), p.Trials())
	}
	if sum.Share() <= 0 || sum.Measured != time.Duration(p.Trials())*time.Millisecond {
		t.Errorf("measured %v, share %v", sum.Measured, sum.Share())
	}
	// One set-up a group, with all its members side by side, each checked once before anything is measured.
	all := []string{"a", "b", "b+aa", "c"}
	if d := cmp.Diff([][]string{all, all}, f.members); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"check a", "check b", "check b+aa", "check c"}, f.log[:4]); d != "" {
		t.Error(d)
	}
	if len(f.gates) != 8 || !f.gates[0].Passed {
		t.Errorf("gates: %+v", f.gates)
	}
	for i, tr := range f.trials {
		if tr.Order != i {
			t.Fatalf("trial %d has order %d", i, tr.Order)
		}
	}
}

// TestTakeDown: a member that does not go out of force as it should has failed, and the run is complete. Another error of a stage's end ends it.
func TestTakeDown(t *testing.T) {
	down := fmt.Errorf("run down: %w", errors.New("exit status 5"))
	f, p := newFake(), plan(t, runner.Selection{Workloads: []string{"rr"}})
	f.close = errors.Join(nil, errors.Join(harness.TakeDown("a", down), harness.TakeDown("c", nil)))
	sum, err := f.run(t, t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	failed := sum.Wrong()
	if len(failed) != 1 || !strings.Contains(failed[0].Cell, "variant=a/") || failed[0].Where != harness.AtTakeDown || failed[0].Reason != down.Error() {
		t.Errorf("failed: %+v", failed)
	}
	if len(f.trials) != p.Trials() || sum.Planned != sum.Valid || len(of(sum, harness.OutcomeMeasured)) != p.Cells()-1 {
		t.Errorf("%d trials of %d, outcomes %+v", len(f.trials), p.Trials(), sum.Outcomes)
	}
	f = newFake()
	f.close = errors.Join(harness.TakeDown("a", down), errors.New("remove segment"))
	if _, err := f.run(t, t.Context(), p); err == nil || !strings.Contains(err.Error(), "remove segment") || strings.Contains(err.Error(), "exit status 5") {
		t.Errorf("error %v", err)
	}
}

func TestRunRetries(t *testing.T) {
	f := newFake()
	f.measure = func(_ context.Context, c harness.Cell, n int) (harness.Result, error) {
		r := result()
		switch {
		case c.Variant == "a" && n == 0:
			r.Invalid = "drops unaccounted for"
		case c.Variant == "b":
			return r, errors.New("no answer")
		case c.Variant == "c":
			r.Metrics[0].Unit = "B/s"
		}
		return r, nil
	}
	sum, err := f.run(t, t.Context(), plan(t, runner.Selection{Workloads: []string{"rr"}}))
	if err != nil {
		t.Fatal(err)
	}
	// a: one retry. b and c: three attempts in the first repeat, then one.
	if sum.Valid != 4 || sum.Rejected != 1+4+4 || len(f.rejects) != sum.Rejected {
		t.Errorf("%+v, rejected %q", sum, f.rejects)
	}
	if len(of(sum, harness.OutcomeInvalid)) != 2 || !slices.Contains(f.rejects, "b: no answer") || !slices.Contains(f.rejects, "a: drops unaccounted for") {
		t.Errorf("outcomes %+v, rejected %q", sum.Outcomes, f.rejects)
	}
	if !slices.ContainsFunc(f.rejects, func(s string) bool { return strings.Contains(s, `unknown unit "B/s"`) }) {
		t.Errorf("undeclared unit taken: %q", f.rejects)
	}
}

func TestRunSteal(t *testing.T) {
	f := newFake()
	var stolen time.Duration
	f.measure = func(_ context.Context, c harness.Cell, n int) (harness.Result, error) {
		if c.Variant == "a" && n == 0 {
			stolen += 50 * time.Millisecond
		}
		return result(), nil
	}
	sum, err := runner.Run(t.Context(), plan(t, runner.Selection{Workloads: []string{"rr"}}), runner.Options{
		Family: f, Record: f, Steal: func() (time.Duration, error) { return stolen, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Valid != sum.Planned || len(f.rejects) != 1 || !strings.Contains(f.rejects[0], "other guests took 50ms") {
		t.Errorf("%+v, rejected %q", sum, f.rejects)
	}
}

// TestRunOutcomes: one outcome a cell, decided where and for what reason, in each way in which a cell can end.
func TestRunOutcomes(t *testing.T) {
	lacks, wrong := harness.Skip("no such hook"), errors.New("case IPv6: checksum is wrong\nall of it")
	failed, lacking, invalid := harness.OutcomeFailed, harness.OutcomeNotSupported, harness.OutcomeInvalid
	for _, tt := range []struct {
		name    string
		absent  error
		check   error
		measure func(c harness.Cell, n int) error
		want    record.CellOutcome // of the cell rr of a; its reason begins so
		asked   int                // how often that was measured
	}{
		{"absent, not supported", lacks, nil, nil, record.CellOutcome{Outcome: lacking, Where: harness.AtSetup, Reason: "no such hook"}, 0},
		{"absent, wrong", wrong, nil, nil, record.CellOutcome{Outcome: failed, Where: harness.AtSetup, Reason: "case IPv6"}, 0},
		{"gate", nil, wrong, nil, record.CellOutcome{Outcome: failed, Where: harness.AtGate, Reason: "case IPv6"}, 0},
		{"gate, not supported", nil, lacks, nil, record.CellOutcome{Outcome: lacking, Where: harness.AtGate, Reason: "no such hook"}, 0},
		{"put in force by the gate", nil, harness.SetupError(wrong), nil, record.CellOutcome{Outcome: failed, Where: harness.AtSetup, Reason: "case IPv6"}, 0},
		{"put in force by a trial", nil, nil, func(harness.Cell, int) error { return harness.SetupError(wrong) },
			record.CellOutcome{Outcome: failed, Where: harness.AtSetup, Reason: "case IPv6", Fate: "hang"}, 1},
		{"put in force by a trial, not supported", nil, nil, func(harness.Cell, int) error { return harness.SetupError(lacks) },
			record.CellOutcome{Outcome: lacking, Where: harness.AtSetup, Reason: "no such hook"}, 1},
		{"trial, not supported", nil, nil, func(harness.Cell, int) error { return lacks },
			record.CellOutcome{Outcome: lacking, Where: harness.AtTrial, Reason: "no such hook"}, 1},
		{"trials", nil, nil, func(harness.Cell, int) error { return wrong },
			record.CellOutcome{Outcome: invalid, Where: harness.AtTrial, Reason: "all 4 trials were rejected, the last: case IPv6"}, 4},
		{"a trial", nil, nil, func(_ harness.Cell, n int) error {
			if n == 0 {
				return wrong
			}
			return nil
		}, record.CellOutcome{Outcome: harness.OutcomeMeasured}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			if tt.absent != nil {
				f.absent = map[string]error{"a": tt.absent}
			}
			f.check = func(member string) error {
				if member == "a" {
					return tt.check
				}
				return nil
			}
			f.measure = func(_ context.Context, c harness.Cell, n int) (harness.Result, error) {
				if c.Variant == "a" && tt.measure != nil {
					res, err := result(), tt.measure(c, n)
					if err != nil {
						res.Metrics = []harness.Metric{{Unit: harness.UnitFate, Value: float64(harness.FateHang)}}
					}
					return res, err
				}
				return result(), nil
			}
			sum, err := f.run(t, t.Context(), plan(t, runner.Selection{Workloads: []string{"rr"}}))
			if err != nil {
				t.Fatal(err)
			}
			cell := "LB/workload=rr/class=nat/variant=a/services=1"
			got := f.outcomes[cell]
			if got.Outcome != tt.want.Outcome || got.Where != tt.want.Where || !strings.HasPrefix(got.Reason, tt.want.Reason) || got.Fate != tt.want.Fate {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if f.asked[cell] != tt.asked {
				t.Errorf("measured %d times, want %d", f.asked[cell], tt.asked)
			}
			if n := sum.Count(harness.OutcomeMeasured); n < 3 {
				t.Errorf("%d cells were measured; the others go on", n)
			}
		})
	}
}

func TestRunSkipsGroup(t *testing.T) {
	f := newFake()
	f.prepare = func(harness.Group) error { return fmt.Errorf("build: %w", harness.Skip("no namespaces")) }
	p := plan(t, runner.Selection{})
	sum, err := f.run(t, t.Context(), p)
	if err != nil || sum.Count(harness.OutcomeNotSupported) != p.Cells() || sum.Planned != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	f = newFake()
	f.prepare = func(harness.Group) error { return errors.New("out of memory") }
	if _, err := f.run(t, t.Context(), p); err == nil || !strings.Contains(err.Error(), "services=1: out of memory") {
		t.Errorf("got %v", err)
	}
}

// A run that is interrupted in a trial stops at once, writes no number for it, and takes everything down.
func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := newFake()
	f.measure = func(ctx context.Context, c harness.Cell, n int) (harness.Result, error) {
		if len(f.trials) < 5 {
			return result(), nil
		}
		cancel()
		<-ctx.Done()
		return result(), nil
	}
	began := time.Now()
	_, err := f.run(t, ctx, plan(t, runner.Selection{}))
	if !errors.Is(err, context.Canceled) || len(f.trials) != 5 || len(f.rejects) != 0 {
		t.Errorf("%v, %d trials, rejected %q", err, len(f.trials), f.rejects)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v to stop", took)
	}
}

func TestRunRecorderFails(t *testing.T) {
	f := newFake()
	f.recorder = errors.New("disk is full")
	if _, err := f.run(t, t.Context(), plan(t, runner.Selection{})); !errors.Is(err, f.recorder) || len(f.trials) != 1 {
		t.Errorf("%v after %d trials", err, len(f.trials))
	}
}

// A variant that is broken on purpose has to fail its gate: then the run is well and its cells are skipped with the reason.
func TestRunBroken(t *testing.T) {
	for _, noticed := range []bool{true, false} {
		f := newFake()
		f.check = func(member string) error {
			if member == "a" && noticed {
				return errors.New("stall: task x waited for 2 s\ndump: all of it")
			}
			return nil
		}
		p := plan(t, runner.Selection{})
		for i := range p.Groups {
			for j := range p.Groups[i].Members {
				if m := &p.Groups[i].Members[j]; m.Name == "a" {
					m.Class = harness.ClassBroken
				}
			}
		}
		sum, err := f.run(t, t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, tr := range f.trials {
			if tr.Cell.Variant == "a" {
				t.Errorf("noticed %v: it has a number", noticed)
			}
		}
		if failed := len(sum.Wrong()) > 0; failed == noticed {
			t.Errorf("noticed %v: wrong cells %v", noticed, sum.Wrong())
		}
		whole := slices.ContainsFunc(f.gates, func(g record.Gate) bool {
			return g.Variant == "a" && g.Passed == noticed && (!noticed || strings.Contains(g.Detail, "dump: all of it"))
		})
		if !whole {
			t.Errorf("noticed %v: gates %+v", noticed, f.gates)
		}
		for _, cell := range of(sum, harness.OutcomeCaught) {
			if o := f.outcomes[cell]; !noticed || o.Where != harness.AtGate ||
				!strings.HasPrefix(o.Reason, "broken on purpose, and caught: stall: task x waited for 2 s") {
				t.Errorf("noticed %v: %+v", noticed, o)
			}
		}
		if noticed != (sum.Count(harness.OutcomeCaught) > 0) {
			t.Errorf("noticed %v: %+v", noticed, sum.Outcomes)
		}
	}
}
