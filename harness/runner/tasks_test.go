// SPDX-License-Identifier: Apache-2.0

package runner_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/runner"
)

// TestTasks: the tasks have every trial of the plan once, each is a job of the run, and runs that choose jobs share them out.
func TestTasks(t *testing.T) {
	for _, o := range []runner.GuestOptions{
		{Seed: 5, EachRepeat: true}, {Seed: 5, EachRepeat: true, Parts: 2}, {Seed: 5, EachRepeat: true, Gates: 2, Parts: 3}, {Seed: 5}, {Seed: 5, Together: true},
	} {
		p := plan(t, runner.Selection{})
		tasks := runner.Tasks(p, runner.Selection{Profile: "quick"}, o)
		names := harness.Map(tasks, func(t runner.Task) string { return t.Job })
		trials, cells := 0, map[string]bool{}
		for _, task := range tasks {
			trials += task.Trials
			for _, c := range task.Cells {
				cells[c] = true
			}
		}
		if trials != p.Trials() || len(cells) != p.Cells() {
			t.Errorf("%+v: %d trials of %d cells, want %d of %d", o, trials, len(cells), p.Trials(), p.Cells())
		}
		hand := runner.Deal(harness.Map(tasks, func(t runner.Task) time.Duration { return t.Guess }), 3)
		var mu sync.Mutex
		var booted []string
		for shard := range 3 {
			o := o
			o.Only = func(job string) bool {
				i := slices.Index(names, job)
				return i < 0 || hand[i] == shard
			}
			_, _, err := guestsOf(t, o, runner.Selection{}, func(j runner.Job, _ harness.Cell) error {
				mu.Lock()
				defer mu.Unlock()
				if !slices.Contains(booted, j.Name()) {
					booted = append(booted, j.Name())
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		want := harness.Map(harness.Filter(tasks, func(t runner.Task) bool { return t.Trials > 0 }), func(t runner.Task) string { return t.Job })
		slices.Sort(want)
		slices.Sort(booted)
		if d := cmp.Diff(want, booted); d != "" || len(slices.Compact(slices.Clone(want))) != len(want) {
			t.Errorf("%+v: jobs that were run (+) and tasks (-), which have names of their own: %s", o, d)
		}
	}
}

// TestDeal: hands have about as much to do, and one cut is like the other.
func TestDeal(t *testing.T) {
	lengths := []time.Duration{7, 1, 5, 3, 3, 5, 2}
	if got, want := runner.Deal(lengths, 2), []int{0, 1, 1, 0, 0, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := runner.Deal(lengths[:2], 3); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("more hands than tasks: %v", got)
	}
}
