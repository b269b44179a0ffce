// SPDX-License-Identifier: Apache-2.0

package runner_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
)

// memory keeps gates for a test.
type memory map[string]record.Gate

func (m memory) Gate(group, variant string) (record.Gate, bool) {
	g, ok := m[group+" "+variant]
	return g, ok
}

func (m memory) Keep(g record.Gate) {
	at := time.Unix(1, 0)
	g.Kept = &at
	m[g.Where+" "+g.Variant] = g
}

// TestKeptGates: a gate that a run passed is not checked by the next, in guests of their own, in guests that do all, and on the
// host; one that failed is.
func TestKeptGates(t *testing.T) {
	wrong := errors.New("the packet went astray")
	sel := runner.Selection{Profile: "quick"}
	p := plan(t, sel)
	for name, o := range map[string]runner.GuestOptions{
		"gates apart": {EachRepeat: true, Gates: 2, Parts: 2, Parallel: 2}, "together": {Together: true}, "host": {},
	} {
		t.Run(name, func(t *testing.T) {
			kept := memory{}
			var mu sync.Mutex
			run := func() (checks []string, rec *fake, sum runner.Summary) {
				rec = newFake()
				check := func(group string) func(string) error {
					return func(member string) error {
						mu.Lock()
						defer mu.Unlock()
						checks = append(checks, member)
						if member == "b" {
							return wrong
						}
						return nil
					}
				}
				var err error
				o.Record, o.KeptGates = rec, kept
				if name == "host" {
					rec.check = check("")
					sum, err = runner.Run(t.Context(), p, runner.Options{Family: rec, Record: rec, KeptGates: kept})
				} else {
					o.Boot = func(ctx context.Context, j runner.Job, to *runner.Guest) error {
						if j.Work == runner.WorkTrials && len(j.Kept) > 0 {
							t.Error("a job that measures names kept gates: the guest reads it longer, which moves digits")
						}
						f := newFake()
						f.check = check(j.Group)
						f.measure = func(context.Context, harness.Cell, int) (harness.Result, error) { return result(), nil }
						return runner.Inside(ctx, j, map[string]harness.Family{"lb": f}, to)
					}
					sum, err = runner.RunGuests(t.Context(), p, sel, o)
				}
				if err != nil {
					t.Fatal(err)
				}
				return checks, rec, sum
			}
			all, first, sum := run()
			if len(sum.Kept) > 0 || len(all) < 4 {
				t.Fatalf("%d gates kept before any was passed, %d checked", len(sum.Kept), len(all))
			}
			again, second, sum := run()
			if len(again) == 0 || strings.Trim(strings.Join(again, ""), "b") != "" {
				t.Errorf("checked again: %q; want the failed ones alone", again)
			}
			failed := len(again)
			if got, want := len(sum.Kept), len(all)-failed; got != want {
				t.Errorf("%d gates kept, want %d", got, want)
			}
			if len(second.trials) == 0 || len(second.trials) != len(first.trials) {
				t.Errorf("%d trials, then %d", len(first.trials), len(second.trials))
			}
			if len(second.gates) != len(first.gates) || !slices.ContainsFunc(second.gates, func(g record.Gate) bool { return g.Kept != nil }) {
				t.Errorf("%d gates recorded, then %d", len(first.gates), len(second.gates))
			}
		})
	}
}

// TestExactChecksOnTheWay: an exact guest that checks gates and then measures does so in every run, because a check that is left out
// moves digits.
func TestExactChecksOnTheWay(t *testing.T) {
	sel := runner.Selection{Profile: "quick", Target: harness.TargetExact}
	p, kept, checks := plan(t, sel), memory{}, 0
	for i, want := range []int{1, 2} {
		o := runner.GuestOptions{Record: newFake(), KeptGates: kept, Boot: func(ctx context.Context, j runner.Job, to *runner.Guest) error {
			f := newFake()
			f.check = func(string) error { checks++; return nil }
			f.measure = func(context.Context, harness.Cell, int) (harness.Result, error) { return result(), nil }
			return runner.Inside(ctx, j, map[string]harness.Family{"lb": f}, to)
		}}
		sum, err := runner.RunGuests(t.Context(), p, sel, o)
		if err != nil || len(sum.Kept) > 0 || len(kept) == 0 || checks%len(kept) != 0 || checks/len(kept) != want {
			t.Fatalf("run %d: %v, %d gates kept, %d checks of %d gates", i, err, len(sum.Kept), checks, len(kept))
		}
	}
}
