// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// A Job is the part of a plan that one guest runs, with all that the guest needs to know.
type Job struct {
	Experiment harness.Experiment `json:"experiment"`
	Selection  Selection          `json:"selection"`
	Seed       uint64             `json:"seed"`
	Together   bool               `json:"together"`          // all of the plan's groups, or else
	Group      string             `json:"group"`             // which of them, by Group.String
	Part       int                `json:"part"`              // which part of the group
	Parts      int                `json:"parts"`             // into how many it is cut; 0: 1
	Repeat     int                `json:"repeat"`            // which repeat; EveryRepeat: all of them
	Work       Work               `json:"work,omitempty"`    // what is done
	Objects    Objects            `json:"objects,omitempty"` // BPF objects that the program does not have, by their names
	Config     string             `json:"config,omitempty"`  // what objects ask of the guest's kernel's configuration, as lines of such a file
	Kept       keptGates          `json:"kept,omitempty"`    // gates that need not be checked
	Counted    []Mark             `json:"counted,omitempty"` // the only steps that are made, with instructions counted by address
	Stacks     bool               `json:"stacks,omitempty"`  // in these steps stacks are sampled instead
	Done       []Mark             `json:"done,omitempty"`    // steps that an earlier guest made, or died in
}

// Work is what a guest does with its group. Guests of one run have the same kernel, image and objects, so that some can check the
// gates for the others; a number counts only if its variant passed in a group of the same name.
type Work string

const (
	WorkAll    Work = ""       // gates, then trials
	WorkGates  Work = "gates"  // no trials
	WorkTrials Work = "trials" // no gates
)

// EveryRepeat is a Job's Repeat if its guest makes all repeats, one after another.
const EveryRepeat = -1

// A Mark names a step.
type Mark struct {
	Cell   string `json:"cell"` // harness.Cell.BenchName
	Repeat int    `json:"repeat"`
}

func (s Step) mark() Mark { return Mark{s.Cell.BenchName(), s.Repeat} }

// includes reports whether the step is part of the job and still to be made.
func (j Job) includes(s Step) bool {
	return (j.Repeat == EveryRepeat || j.Repeat == s.Repeat) && !slices.Contains(j.Done, s.mark()) &&
		(len(j.Counted) == 0 || slices.Contains(j.Counted, s.mark()))
}

// groups are those of the plan that the job measures.
func (j Job) groups(all []Group) ([]Group, error) {
	if j.Together {
		left := harness.Filter(all, func(g Group) bool { return slices.ContainsFunc(g.Order(j.Seed), j.includes) })
		return harness.Map(left, func(g Group) Group { return g.restrict(j.includes, j.Seed) }), nil
	}
	i := slices.IndexFunc(all, func(g Group) bool { return g.String() == j.Group })
	if i < 0 {
		return nil, fmt.Errorf("no group %q", j.Group)
	}
	parts := all[i].partsFor(j.Work, j.Parts, j.Kept)
	if j.Part < 0 || j.Part >= len(parts) {
		return nil, fmt.Errorf("no part %d of %d of group %q", j.Part, len(parts), j.Group)
	}
	return []Group{parts[j.Part].restrict(j.includes, j.Seed)}, nil
}

// BootSeed is the seed of a guest's entropy: different in each repeat, so that repeats are a sample, and the same in two runs with
// one seed, so that these can be paired. Seed and repeat are mixed: with a sum, seeds 1 and 2 would share all boots but one.
// Different pairs below 2^32 have different values.
func (j Job) BootSeed() uint64 { return splitmix64(j.Seed<<32 ^ j.Seed>>32 ^ uint64(max(0, j.Repeat))) }

// splitmix64 mixes 64 bits one to one (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
func splitmix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Inside runs a job in the guest, and reports events as lines of JSON.
func Inside(ctx context.Context, j Job, families map[string]harness.Family, out io.Writer) error {
	return Sample(ctx, j, families, nil, out)
}

// Sample is Inside for jobs that may be StackJobs, also on this machine.
func Sample(ctx context.Context, j Job, families map[string]harness.Family, sampler OpenSampler, out io.Writer) error {
	plan, err := NewPlan(j.Experiment, j.Selection)
	if err != nil {
		return fmt.Errorf("plan job: %w", err)
	}
	groups, err := j.groups(plan.Groups)
	if err != nil {
		return fmt.Errorf("plan job: %w", err)
	}
	family := families[cmp.Or(j.Experiment.Family, j.Experiment.Name)]
	if family == nil {
		return fmt.Errorf("plan job: unknown family %q", j.Experiment.Family)
	}
	if !j.Stacks {
		sampler = nil
	}
	enc := json.NewEncoder(out)
	w := worker{
		plan: plan, groups: groups, family: family, seed: j.Seed, exact: plan.Target == harness.TargetExact, guest: plan.Target != harness.TargetHost,
		work: j.Work, kept: j.Kept, counted: len(j.Counted) > 0 && !j.Stacks, sampler: sampler, filter: j.includes, patience: guestPatience,
		send: func(e event) error {
			if err := enc.Encode(e); err != nil {
				return fmt.Errorf("report: %w", err)
			}
			return nil
		},
		// In a guest, steal time is not known. On this machine it does not matter: stacks are no numbers.
		steal: func() (time.Duration, error) { return 0, nil },
	}
	var end ending
	if err := w.run(ctx); errors.Is(err, errSpent) {
		end.Spent = true
	} else if err != nil {
		end.Error = err.Error()
	}
	return w.send(event{End: &end})
}

// An event is one report of a worker, a line of JSON where it comes out of a guest. One of its fields is set.
type event struct {
	Enter   *string             `json:"enter,omitempty"` // a group, by Group.String, that is set up next
	Ready   bool                `json:"ready,omitempty"` // the group is set up and its gates are checked
	Begin   *Mark               `json:"begin,omitempty"` // an attempt at a trial
	Start   time.Time           `json:"start,omitzero"`  // of the attempt, by the worker's clock
	Trial   *harness.Trial      `json:"trial,omitempty"` // a trial that counts
	Reject  *rejection          `json:"reject,omitempty"`
	Outcome *record.CellOutcome `json:"outcome,omitempty"` // of a cell that is not, or no longer, measured
	Gate    *record.Gate        `json:"gate,omitempty"`
	Phase   string              `json:"phase,omitempty"` // work between trials
	End     *ending             `json:"end,omitempty"`
}

// A rejection is a trial that does not count.
type rejection struct {
	Trial  harness.Trial `json:"trial"`
	Reason string        `json:"reason"`
	Where  string        `json:"where"` // harness.AtTrial, AtGate or AtGuest
}

// ending is the last report of a worker.
type ending struct {
	Error string `json:"error,omitempty"`
	Spent bool   `json:"spent,omitempty"` // another guest makes the rest
}

// A sender passes events on. Its errors end the worker.
type sender func(event) error
