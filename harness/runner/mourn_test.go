// SPDX-License-Identifier: Apache-2.0

package runner_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/runner"
)

// TestRunGuestsMourns: the death of a guest is a result where the family reads it so, a failure where it says so, and a rejected trial else. The
// run goes on in each case.
func TestRunGuestsMourns(t *testing.T) {
	const deadly = "LB/workload=pps/class=ipip/variant=b/services=1000/flows=64"
	die := func(_ runner.Job, c harness.Cell) error {
		if c.BenchName() == deadly {
			return errors.New("kernel panic: divide error")
		}
		return nil
	}
	for name, c := range map[string]struct {
		ok                       bool
		err                      error
		valid, rejected, outcome int // outcome: cells that failed
		deaths                   int // of guests
	}{
		"a result":  {ok: true, valid: 3, deaths: 3},
		"a failure": {ok: true, err: harness.SetupError(errors.New("expected otherwise")), outcome: 1, deaths: 1},
		"nothing":   {rejected: 3, deaths: 2},
		"unclear":   {ok: true, err: errors.New("it may have starved"), rejected: 3, deaths: 4},
	} {
		t.Run(name, func(t *testing.T) {
			deaths := 0
			var died []time.Time
			o := runner.GuestOptions{Together: true, Died: func(v harness.Variant, cell harness.Cell, death error) (harness.Result, bool, error) {
				if v.Name != "b" || cell.BenchName() != deadly || !strings.Contains(death.Error(), "divide error") {
					t.Errorf("%s in %s died of %v", v.Name, cell.BenchName(), death)
				}
				res := result()
				res.Metrics = append(res.Metrics, harness.Metric{Unit: harness.UnitFate, Value: float64(harness.FateOops)})
				return res, c.ok, c.err
			}}
			f, sum, err := guestsOf(t, o, runner.Selection{}, func(j runner.Job, cell harness.Cell) error {
				dead := die(j, cell)
				if dead != nil {
					deaths++
					died = append(died, time.Now())
				}
				return dead
			})
			if err != nil {
				t.Fatal(err)
			}
			if deaths != c.deaths {
				t.Errorf("%d guests died, want %d", deaths, c.deaths)
			}
			valid := harness.Count(f.trials, func(tr harness.Trial) bool { return tr.Cell.BenchName() == deadly })
			if all := plan(t, runner.Selection{}).Trials(); valid != c.valid || sum.Rejected != c.rejected || len(f.trials) != all-3+c.valid {
				t.Errorf("%d valid and %d rejected of the deadly cell, %d trials of %d", valid, sum.Rejected, len(f.trials), all)
			}
			for _, tr := range f.trials { // which began before the guest died, by the guest's clock
				if i := tr.Repeat; tr.Cell.BenchName() == deadly && (tr.Start.IsZero() || tr.Start.After(died[i])) {
					t.Errorf("the trial in which a guest died at %v began at %v", died[i], tr.Start)
				}
			}
			if n := len(of(sum, harness.OutcomeFailed)); n != c.outcome {
				t.Errorf("%d cells failed, want %d", n, c.outcome)
			}
			for _, o := range sum.Outcomes {
				if found := o.Outcome == harness.OutcomeFailed; found != (o.Fate == "oops") {
					t.Errorf("%s %s has the fate %q", o.Cell, o.Outcome, o.Fate)
				}
			}
		})
	}
}

// TestRunGuestsSpent: a guest makes no trial after one that has spent it, and other guests make the rest.
func TestRunGuestsSpent(t *testing.T) {
	rec := newFake()
	p := plan(t, runner.Selection{})
	boots := 0
	_, err := runner.RunGuests(t.Context(), p, runner.Selection{Profile: "quick", Target: harness.TargetExact}, runner.GuestOptions{
		Record: rec, Together: true, Boot: func(ctx context.Context, j runner.Job, to *runner.Guest) error {
			boots++
			f, spent := newFake(), false
			f.measure = func(_ context.Context, c harness.Cell, _ int) (harness.Result, error) {
				if spent {
					t.Errorf("%s in a guest that is spent", c.BenchName())
				}
				r := result()
				r.Spent = c.Variant == "a"
				spent = r.Spent
				return r, nil
			}
			return runner.Inside(ctx, j, map[string]harness.Family{"lb": f}, to)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	spending := harness.Count(rec.trials, func(tr harness.Trial) bool { return tr.Cell.Variant == "a" })
	if len(rec.trials) != p.Trials() || boots < spending || boots > spending+1 {
		t.Errorf("%d of %d trials in %d guests, %d of which were spent", len(rec.trials), p.Trials(), boots, spending)
	}
}
