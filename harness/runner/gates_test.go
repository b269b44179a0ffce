// SPDX-License-Identifier: Apache-2.0

package runner_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
)

// apart runs the plan with gates in two guests of their own a group. gate judges a member, in a guest of the job; its second
// result, if not nil, is what that guest dies of.
func apart(t *testing.T, gate func(j runner.Job, member string) (verdict, death error)) (rec *fake, sum runner.Summary, checks []string) {
	t.Helper()
	rec = newFake()
	s := runner.Selection{Profile: "quick"}
	var mu sync.Mutex
	sum, err := runner.RunGuests(t.Context(), plan(t, s), s, runner.GuestOptions{
		Record: rec, Parallel: 2, EachRepeat: true, Gates: 2, Parts: 2,
		Boot: func(ctx context.Context, j runner.Job, to *runner.Guest) error {
			f, w := newFake(), &deadly{to: to}
			f.check = func(member string) error {
				mu.Lock()
				defer mu.Unlock()
				checks = append(checks, j.Group+" "+member)
				verdict, death := gate(j, member)
				w.dead = errors.Join(w.dead, death)
				return verdict
			}
			f.measure = func(context.Context, harness.Cell, int) (harness.Result, error) {
				if j.Work != runner.WorkTrials {
					t.Error("a guest that checks gates measures")
				}
				return result(), nil
			}
			return errors.Join(runner.Inside(ctx, j, map[string]harness.Family{"lb": f}, w), w.dead)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	checkOutcomes(t, rec, plan(t, s), sum, nil)
	return rec, sum, checks
}

func TestGatesApart(t *testing.T) {
	p := plan(t, runner.Selection{})
	rec, sum, checks := apart(t, func(runner.Job, string) (error, error) { return nil, nil })
	if sum.Valid != p.Trials() || len(rec.trials) != p.Trials() {
		t.Errorf("%d of %d trials valid", sum.Valid, p.Trials())
	}
	want := 0
	for _, g := range p.Groups {
		want += len(g.Members)
	}
	slices.Sort(checks)
	if len(checks) != want || len(slices.Compact(checks)) != want || len(rec.gates) != want {
		t.Errorf("%d members were checked, %d gates recorded, want %d, each once", len(checks), len(rec.gates), want)
	}
}

// TestGatesApartFail: what did not pass its gate in its own group, or was in a guest that died, has no number there.
func TestGatesApartFail(t *testing.T) {
	wrong := errors.New("the packet went astray")
	for name, gate := range map[string]func(runner.Job, string) (error, error){
		"fails": func(_ runner.Job, m string) (error, error) {
			if m == "b" {
				return wrong, nil
			}
			return nil, nil
		},
		"dies": func(_ runner.Job, m string) (error, error) {
			if m == "b" {
				return nil, wrong
			}
			return nil, nil
		},
		"crashes": func(_ runner.Job, m string) (error, error) {
			if m == "b" {
				return nil, runner.Crash(wrong)
			}
			return nil, nil
		},
	} {
		rec, sum, _ := apart(t, gate)
		for _, tr := range rec.trials {
			if tr.Cell.Variant == "b" {
				t.Errorf("%s: %s has a number", name, tr.Cell.BenchName())
			}
		}
		if len(rec.trials) == 0 || sum.Valid != len(rec.trials) {
			t.Errorf("%s: %d trials recorded, %d valid", name, len(rec.trials), sum.Valid)
		}
		want := record.CellOutcome{Outcome: harness.OutcomeFailed, Where: harness.AtGate}
		if name == "dies" {
			want = record.CellOutcome{Outcome: harness.OutcomeInvalid, Where: harness.AtGuest}
		}
		if name == "crashes" { // the others go on
			for cell, o := range rec.outcomes {
				if !strings.Contains(cell, "variant=b/") && o.Outcome != harness.OutcomeMeasured {
					t.Errorf("%s: %s: %+v", name, cell, o)
				}
			}
		}
		cell := "LB/workload=rr/class=ipip/variant=b/services=1"
		if o := rec.outcomes[cell]; o.Outcome != want.Outcome || o.Where != want.Where || !strings.Contains(o.Reason, "astray") {
			t.Errorf("%s: %+v, want %+v", name, o, want)
		}
	}
	rec, _, _ := apart(t, func(_ runner.Job, m string) (error, error) {
		if m == "a" {
			return harness.Skip("no such thing in this kernel"), nil
		}
		return nil, nil
	})
	if slices.ContainsFunc(rec.trials, func(tr harness.Trial) bool { return tr.Cell.Variant == "a" }) || rec.outcomes["LB/workload=rr/class=nat/variant=a/services=1"].Outcome != harness.OutcomeNotSupported {
		t.Errorf("not supported, says its gate: %v", rec.outcomes)
	}
}

// TestCrashes: where guests check gates and measure, a member in whose set-up or gate two guests crash has failed, and the others go on.
func TestCrashes(t *testing.T) {
	t.Run("set-up", func(t *testing.T) { testCrash(t, harness.AtSetup) })
	t.Run("gate", func(t *testing.T) { testCrash(t, harness.AtGate) })
}

func testCrash(t *testing.T, where string) {
	rec, s := newFake(), runner.Selection{Profile: "quick"}
	sum, err := runner.RunGuests(t.Context(), plan(t, s), s, runner.GuestOptions{
		Record: rec, Boot: func(ctx context.Context, j runner.Job, to *runner.Guest) error {
			f, w := newFake(), &deadly{to: to}
			crash := func(at, member string) {
				if at == where && member == "b" {
					w.dead = runner.Crash(errors.New("Oops: divide error"))
				}
			}
			f.prepare = func(g harness.Group) error {
				for _, m := range g.Members {
					g.Begin(m)
					crash(harness.AtSetup, m.Name)
				}
				return nil
			}
			f.check = func(member string) error {
				crash(harness.AtGate, member)
				return nil
			}
			return errors.Join(runner.Inside(ctx, j, map[string]harness.Family{"lb": f}, w), w.dead)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	checkOutcomes(t, rec, plan(t, s), sum, nil)
	for cell, o := range rec.outcomes {
		want := harness.OutcomeMeasured
		if strings.Contains(cell, "variant=b/") {
			want = harness.OutcomeFailed
		}
		if o.Outcome != want || want == harness.OutcomeFailed && !strings.Contains(o.Reason, "its "+where+" crashed the guest's kernel, in two guests: ") {
			t.Errorf("%s: %+v, want %s", cell, o, want)
		}
	}
}

// TestAllFailed: once all members have failed at their gates, no guest boots to measure them, and none waits for its turn.
func TestAllFailed(t *testing.T) {
	rec, s := newFake(), runner.Selection{Profile: "quick"}
	var trials, turns int
	turn := func(_ context.Context, repeat int) (func(), error) {
		if repeat != runner.EveryRepeat {
			turns++
		}
		return func() {}, nil
	}
	_, err := runner.RunGuests(t.Context(), plan(t, s), s, runner.GuestOptions{
		Record: rec, EachRepeat: true, Gates: 1, Turn: turn, Boot: func(ctx context.Context, j runner.Job, to *runner.Guest) error {
			if j.Work == runner.WorkTrials {
				trials++
			}
			f := newFake()
			f.check = func(string) error { return errors.New("astray") }
			return runner.Inside(ctx, j, map[string]harness.Family{"lb": f}, to)
		},
	})
	if err != nil || trials > 0 || turns > 0 {
		t.Errorf("%d guests booted to measure, %d waited to, %v", trials, turns, err)
	}
	for cell, o := range rec.outcomes {
		if o.Outcome != harness.OutcomeFailed {
			t.Errorf("%s: %+v", cell, o)
		}
	}
}
