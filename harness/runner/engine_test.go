// SPDX-License-Identifier: Apache-2.0

package runner_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/runner"
)

// deadly passes on what is written until its guest is dead.
type deadly struct {
	to   io.Writer
	dead error
}

func (d *deadly) Write(p []byte) (int, error) {
	if d.dead != nil {
		return 0, d.dead
	}
	return d.to.Write(p)
}

// guestsOf runs a plan in pretended guests: each is a call of Inside on a fake family of its own. die, if not nil, is asked
// before every trial and may end the guest with an error.
func guestsOf(t *testing.T, o runner.GuestOptions, s runner.Selection, die func(j runner.Job, c harness.Cell) error) (*fake, runner.Summary, error) {
	t.Helper()
	rec := newFake()
	o.Record = rec
	s.Profile = "quick"
	p := plan(t, s)
	o.Boot = func(ctx context.Context, j runner.Job, to *runner.Guest) error {
		f := newFake()
		w := &deadly{to: to}
		f.measure = func(_ context.Context, c harness.Cell, _ int) (harness.Result, error) {
			if die != nil {
				w.dead = die(j, c) // nothing more is told
			}
			r := result()
			r.Metrics[0].Value = float64(j.BootSeed())
			return r, nil
		}
		err := runner.Inside(ctx, j, map[string]harness.Family{"lb": f}, w)
		if w.dead != nil {
			return w.dead
		}
		return err
	}
	sum, err := runner.RunGuests(t.Context(), p, s, o)
	return rec, sum, err
}

func TestRunGuests(t *testing.T) {
	p := plan(t, runner.Selection{})
	var orders [][]string
	for _, parallel := range []int{1, 2} {
		f, sum, err := guestsOf(t, runner.GuestOptions{Seed: 5, Parallel: parallel, Parts: 3, EachRepeat: true}, runner.Selection{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if sum.Valid != p.Trials() || len(f.trials) != p.Trials() || len(cells(f.trials)) != p.Cells() {
			t.Errorf("%d valid, %d recorded, planned %d", sum.Valid, len(f.trials), p.Trials())
		}
		var order []string
		for i, tr := range f.trials {
			if tr.Order != i {
				t.Fatalf("trial %d has order %d", i, tr.Order)
			}
			if got, want := tr.Result.Metrics[0].Value, float64(runner.Job{Seed: 5, Repeat: tr.Repeat}.BootSeed()); got != want {
				t.Errorf("repeat %d was booted with seed %v, want %v", tr.Repeat, got, want)
			}
			order = append(order, tr.Cell.BenchName())
		}
		orders = append(orders, order)
	}
	if d := cmp.Diff(orders[0], orders[1]); d != "" {
		t.Errorf("the record depends on how many guests run side by side: %s", d)
	}
}

// TestBootSeeds: no boot of one seed is a boot of another, and the boots of a seed are always the same.
func TestBootSeeds(t *testing.T) {
	seen := map[uint64]string{}
	for seed := range uint64(100) {
		for repeat := range 100 {
			j := runner.Job{Seed: seed, Repeat: repeat}
			b, at := j.BootSeed(), fmt.Sprintf("seed %d, repeat %d", seed, repeat)
			if other, ok := seen[b]; ok {
				t.Errorf("%s and %s boot alike", at, other)
			}
			seen[b] = at
		}
	}
	if every, first := (runner.Job{Seed: 3, Repeat: runner.EveryRepeat}), (runner.Job{Seed: 3}); every.BootSeed() != first.BootSeed() {
		t.Error("a guest of every repeat boots unlike the first repeat's")
	}
}

// A guest of a late repeat, in which few cells are left, checks their members only.
func TestInsideChecksWhatItMeasures(t *testing.T) {
	e := experiment()
	more := &e.Profiles[0].Workloads[1] // of b and b+aa alone
	more.Repeats, more.Axes = 4, []harness.Axis{{Name: "flows", Values: []string{"64"}}}
	for repeat, want := range [][]string{0: {"a", "b", "b+aa", "c"}, 3: {"b", "b+aa"}} {
		f := newFake()
		err := runner.Inside(t.Context(), runner.Job{
			Experiment: e, Selection: runner.Selection{Profile: "quick"}, Group: "services=1", Repeat: repeat, Seed: 5,
		}, map[string]harness.Family{"lb": f}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, did := range f.log {
			if member, ok := strings.CutPrefix(did, "check "); ok {
				got = append(got, member)
			}
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); want != nil && d != "" {
			t.Errorf("repeat %d checked other members (-want +got):\n%s", repeat, d)
		}
	}
}

func TestRunGuestsSurvivesDeath(t *testing.T) {
	for name, o := range map[string]runner.GuestOptions{
		"a guest a group": {}, "a guest a repeat": {EachRepeat: true}, "a guest for all": {Together: true},
	} {
		t.Run(name, func(t *testing.T) {
			deadly := "LB/workload=pps/class=ipip/variant=b/services=1000/flows=64"
			died := 0
			f, sum, err := guestsOf(t, o, runner.Selection{}, func(_ runner.Job, c harness.Cell) error {
				if c.BenchName() == deadly {
					died++
					return errors.New("kernel panic: divide error")
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			p := plan(t, runner.Selection{})
			if sum.Rejected != 3 || len(f.trials) != p.Trials()-3 {
				t.Errorf("%d rejected and %d recorded of %d trials, want three rejected", sum.Rejected, len(f.trials), p.Trials())
			}
			if !slices.ContainsFunc(f.rejects, func(s string) bool { return strings.Contains(s, "divide error") }) {
				t.Errorf("rejected: %v", f.rejects)
			}
			if died != 2 || !slices.ContainsFunc(f.rejects, func(s string) bool { return strings.Contains(s, "given up: 2 guests in a row died") }) {
				t.Errorf("%d guests died of a cell with three repeats, want 2 and the third given up: %v", died, f.rejects)
			}
			if d := cmp.Diff([]string{deadly}, of(sum, harness.OutcomeInvalid)); d != "" {
				t.Error(d)
			}
		})
	}
}

// All groups can share a guest. One whose set-up brings guests down is given up; it does not take the others with it.
func TestRunGuestsTogether(t *testing.T) {
	rec := newFake()
	p := plan(t, runner.Selection{})
	boots := 0
	sum, err := runner.RunGuests(t.Context(), p, runner.Selection{Profile: "quick"}, runner.GuestOptions{
		Record: rec, Together: true, Boot: func(ctx context.Context, j runner.Job, to *runner.Guest) error {
			boots++
			f, w := newFake(), &deadly{to: to}
			f.prepare = func(g harness.Group) error {
				if g.Axes[0].Value == p.Groups[0].Axes[0].Value {
					w.dead = errors.New("kernel panic: divide error")
				}
				return nil
			}
			err := runner.Inside(ctx, j, map[string]harness.Family{"lb": f}, w)
			return errors.Join(w.dead, err)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	lost := len(p.Groups[0].Order(0))
	if boots != 3 || sum.Rejected != lost || len(rec.trials) != p.Trials()-lost {
		t.Errorf("%d boots, %d trials rejected, %d valid; want 3, %d, %d", boots, sum.Rejected, len(rec.trials), lost, p.Trials()-lost)
	}
	if len(rec.rejects) == 0 || !strings.Contains(rec.rejects[0], "before they began a trial: kernel panic: divide error") {
		t.Errorf("rejected: %v", rec.rejects)
	}
}

// A guest that begins a trial and never ends it is ended, the trial is named, and another guest goes on with the rest.
func TestRunGuestsEndsWhatHangs(t *testing.T) {
	rec := newFake()
	s := runner.Selection{Profile: "quick"}
	boots := 0
	sum, err := runner.RunGuests(t.Context(), plan(t, s), s, runner.GuestOptions{
		Record: rec, Patience: 20 * time.Millisecond, Boot: func(ctx context.Context, j runner.Job, to *runner.Guest) error {
			boots++
			f, w := newFake(), &deadly{to: to}
			f.measure = func(context.Context, harness.Cell, int) (harness.Result, error) {
				if len(j.Done) == 0 {
					<-ctx.Done()
					w.dead = ctx.Err()
				}
				return result(), nil
			}
			err := runner.Inside(context.WithoutCancel(ctx), j, map[string]harness.Family{"lb": f}, w)
			return errors.Join(err, w.dead)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := plan(t, s)
	groups := len(p.Groups)
	if sum.Rejected != groups || boots != 2*groups {
		t.Errorf("%d rejected in %d boots of %d groups; wanted one and two a group", sum.Rejected, boots, groups)
	}
	if len(rec.rejects) == 0 || !strings.Contains(rec.rejects[0], "the guest was ended: it was still at LB/workload=") {
		t.Errorf("rejected: %v", rec.rejects)
	}
}

func TestRunGuestsGivesUp(t *testing.T) {
	rec := newFake()
	p := plan(t, runner.Selection{})
	boots := 0
	sum, err := runner.RunGuests(t.Context(), p, runner.Selection{Profile: "quick"}, runner.GuestOptions{
		Record: rec, Boot: func(context.Context, runner.Job, *runner.Guest) error {
			boots++
			return errors.New("no init")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Rejected != p.Trials() || sum.Valid != 0 || boots != 4 {
		t.Errorf("%d of %d trials rejected after %d boots; two a group were wanted", sum.Rejected, p.Trials(), boots)
	}
}

// TestRunGuestsWithoutGuest: a fault that keeps guests from starting is no trial's, and ends the run.
func TestRunGuestsWithoutGuest(t *testing.T) {
	rec := newFake()
	boots := 0
	sum, err := runner.RunGuests(t.Context(), plan(t, runner.Selection{}), runner.Selection{Profile: "quick"}, runner.GuestOptions{
		Record: rec, Boot: func(context.Context, runner.Job, *runner.Guest) error {
			boots++
			return runner.NoGuest(harness.Skip("no QEMU"))
		},
	})
	if !errors.Is(err, harness.ErrNotSupported) || sum.Rejected+len(rec.rejects) != 0 || boots != 1 {
		t.Errorf("%v after %d boots, %d trials rejected; want a skip after one", err, boots, sum.Rejected)
	}
}

func TestRunGuestsRefusesNoise(t *testing.T) {
	rec := newFake()
	sum, err := runner.RunGuests(t.Context(), plan(t, runner.Selection{}), runner.Selection{Profile: "quick"}, runner.GuestOptions{
		Record: rec, Boot: func(_ context.Context, _ runner.Job, to *runner.Guest) error {
			_, err := io.WriteString(to, "hello, world\n")
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Rejected != len(rec.rejects) || sum.Valid != 0 || !strings.Contains(rec.rejects[0], "hello, world") {
		t.Errorf("%d rejected: %v", sum.Rejected, rec.rejects)
	}
}

// TestRunGuestsLeavesWhatFailed: a variant that failed in a guest is not set up again by the guest that goes on after a death.
func TestRunGuestsLeavesWhatFailed(t *testing.T) {
	rec := newFake()
	s := runner.Selection{Profile: "quick"}
	var members [][]string
	sum, err := runner.RunGuests(t.Context(), plan(t, s), s, runner.GuestOptions{
		Record: rec, Together: true, Boot: func(ctx context.Context, j runner.Job, to *runner.Guest) error {
			f, w := newFake(), &deadly{to: to}
			f.absent = map[string]error{"a": errors.New("the verifier refuses it")}
			f.measure = func(_ context.Context, c harness.Cell, _ int) (harness.Result, error) {
				if len(members) == 0 && c.Workload == "rr" {
					w.dead = errors.New("kernel panic: divide error")
				}
				return result(), nil
			}
			err := runner.Inside(ctx, j, map[string]harness.Family{"lb": f}, w)
			members = append(members, slices.Concat(f.members...))
			return errors.Join(err, w.dead)
		},
	})
	if err != nil || len(members) != 2 {
		t.Fatalf("%v after %d boots, want two", err, len(members))
	}
	again := slices.DeleteFunc(slices.Clone(members[1]), func(m string) bool { return m != "a" })
	if len(again) != 1 { // in the second group, to which the first guest did not come
		t.Errorf("the second guest set up %q, a %d times", members[1], len(again))
	}
	for _, o := range of(sum, harness.OutcomeFailed) {
		if !strings.Contains(o, "variant=a/") {
			t.Errorf("%s has failed", o)
		}
	}
	if n := len(of(sum, harness.OutcomeFailed)); n == 0 || sum.Rejected != 1 {
		t.Errorf("%d cells failed, %d trials rejected, want some and one", n, sum.Rejected)
	}
}
