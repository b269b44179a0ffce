// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// A Task is a job of RunGuests, which no guest has run yet.
type Task struct {
	Job    string        // its name: see Job.Name
	Cells  []string      // whose trials it makes, or whose gates it checks, by harness.Cell.BenchName
	Trials int           // how many it makes
	Guess  time.Duration // how long its guest will take
}

// Tasks are the jobs of RunGuests in its order, if no gate was kept. They depend on the plan and the options alone, so that every machine
// finds the same.
func Tasks(p *Plan, selection Selection, o GuestOptions) []Task {
	o.Progress, o.KeptGates = NewProgress(io.Discard, 0), nil
	r := newEngine(p, selection, o)
	return harness.Map(append(r.gatePieces(), r.trialPieces()...), func(s *piece) Task { return s.task(p) })
}

func (s *piece) task(p *Plan) Task {
	t := Task{Job: s.job.Name(), Trials: len(s.steps), Guess: guessGuest}
	members := map[string]bool{}
	for _, st := range s.steps {
		t.Guess += st.Block.Warm + st.Block.Measure + guessTrial
		if name := st.Cell.BenchName(); !slices.Contains(t.Cells, name) {
			t.Cells = append(t.Cells, name)
		}
		members[st.Cell.Variant] = true
	}
	if s.gates != nil {
		t.Cells = harness.Map(s.gates.cells(), harness.Cell.BenchName)
		for _, m := range s.gates.Members {
			members[m.Name] = true
		}
	}
	t.Guess += time.Duration(len(members)) * p.Experiment.Loading
	return t
}

// Name names a job within its plan: its work, its repeat, its group and which part of that.
func (j Job) Name() string {
	name := cmp.Or(string(j.Work), "all")
	if j.Repeat != EveryRepeat {
		name += fmt.Sprintf(", repeat %d", j.Repeat+1)
	}
	if j.Parts > 1 {
		name += fmt.Sprintf(", part %d of %d", j.Part+1, j.Parts)
	}
	return name + ": " + cmp.Or(j.Group, "all groups")
}

// Deal gives each task to one of n hands, so that all have about as much to do: each task, the longest first, goes to the hand that has
// least. It returns the hand of each task, from 0 (Graham 1969, "Bounds on multiprocessing timing anomalies").
func Deal(lengths []time.Duration, n int) []int {
	order := make([]int, len(lengths))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(lengths[j], lengths[i]) })
	hand, total := make([]int, len(lengths)), make([]time.Duration, n)
	for _, i := range order {
		least := slices.Index(total, slices.Min(total))
		hand[i], total[least] = least, total[least]+lengths[i]
	}
	return hand
}
