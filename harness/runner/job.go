// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// A Job is the part of a plan that one guest runs. It holds all that the guest needs to know, so that nothing has to
// reach it while it runs.
type Job struct {
	Experiment harness.Experiment `json:"experiment"`
	Selection  Selection          `json:"selection"`
	Seed       uint64             `json:"seed"`
	Together   bool               `json:"together"`       // all of the plan's groups, or else
	Group      string             `json:"group"`          // which of them, by Group.String
	Part       int                `json:"part"`           // which part of the group
	Parts      int                `json:"parts"`          // into how many it is cut; 0: 1
	Repeat     int                `json:"repeat"`         // which repeat; EveryRepeat: all of them
	Half       Half               `json:"half,omitempty"` // what of it
	Done       []Mark             `json:"done,omitempty"` // steps that an earlier guest has made, or died of
}

// EveryRepeat is a Job's Repeat if its guest makes all repeats, one after another.
const EveryRepeat = -1

// A Mark names a step.
type Mark struct {
	Cell   string `json:"cell"` // harness.Cell.BenchName
	Repeat int    `json:"repeat"`
}

func (s Step) mark() Mark { return Mark{s.Cell.BenchName(), s.Repeat} }

// wants tells whether the step is part of the job and still to be made.
func (j Job) wants(s Step) bool {
	return (j.Repeat == EveryRepeat || j.Repeat == s.Repeat) && !slices.Contains(j.Done, s.mark())
}

// groups picks what the job is to measure of a plan's groups.
func (j Job) groups(all []Group) ([]Group, error) {
	if j.Together {
		return slices.DeleteFunc(all, func(g Group) bool { return !slices.ContainsFunc(g.Order(j.Seed), j.wants) }), nil
	}
	i := slices.IndexFunc(all, func(g Group) bool { return g.String() == j.Group })
	if i < 0 {
		return nil, fmt.Errorf("no group %q", j.Group)
	}
	parts := all[i].partsFor(j.Half, j.Parts)
	if j.Part < 0 || j.Part >= len(parts) {
		return nil, fmt.Errorf("no part %d of %d of group %q", j.Part, len(parts), j.Group)
	}
	return []Group{parts[j.Part].only(j.wants, j.Seed)}, nil
}

// BootSeed is what a guest's entropy is seeded with: another in each repeat, so that repeats are a sample, and the same in
// two runs with one seed, so that these can be paired.
func (j Job) BootSeed() uint64 { return j.Seed + uint64(max(0, j.Repeat)) }

// An event is one thing that a guest tells, a line of JSON. One of its fields is set.
type event struct {
	Enter  *string        `json:"enter,omitempty"` // a group, by Group.String, whose trials come next
	Begin  *Mark          `json:"begin,omitempty"`
	Trial  *harness.Trial `json:"trial,omitempty"`
	Reject *rejection     `json:"reject,omitempty"`
	Skip   *skipping      `json:"skip,omitempty"`
	Gate   *record.Gate   `json:"gate,omitempty"`
	Phase  string         `json:"phase,omitempty"`
	End    *ending        `json:"end,omitempty"`
}

type rejection struct {
	Trial  harness.Trial `json:"trial"`
	Reason string        `json:"reason"`
}

type skipping struct {
	Cell   harness.Cell `json:"cell"`
	Reason string       `json:"reason"`
}

// ending is the last thing that a guest tells.
type ending struct {
	Error string `json:"error,omitempty"`
	// GateFailed is Summary.GateFailed.
	GateFailed map[string]string `json:"gate_failed,omitempty"`
}

// Inside runs a job, in the guest, and tells what happens as lines of JSON.
func Inside(ctx context.Context, j Job, families map[string]harness.Family, out io.Writer) error {

	plan, err := NewPlan(j.Experiment, j.Selection)
	if err != nil {
		return fmt.Errorf("plan job: %w", err)
	}
	if plan.Groups, err = j.groups(plan.Groups); err != nil {
		return fmt.Errorf("plan job: %w", err)
	}
	family := families[cmp.Or(j.Experiment.Family, j.Experiment.Name)]
	if family == nil {
		return fmt.Errorf("plan job: unknown family %q", j.Experiment.Family)
	}
	t := teller{json.NewEncoder(out)}
	sum, err := Run(ctx, plan, Options{
		Family: family, Record: t, Seed: j.Seed, Exact: plan.Target == harness.TargetExact, Guest: true, Only: j.wants, Half: j.Half, Patience: guestPatience,
		Enter: func(g *Group) error { name := g.String(); return t.tell(event{Enter: &name}) },
		Begin: func(s Step) error { m := s.mark(); return t.tell(event{Begin: &m}) },
		// The guest's own clock says nothing of what its machine had to share.
		Steal: func() (time.Duration, error) { return 0, nil },
		Phase: func(what string) { t.tell(event{Phase: what}) },
	})
	end := ending{GateFailed: sum.GateFailed}
	if err != nil {
		end.Error = err.Error()
	}
	return t.tell(event{End: &end})
}

// A teller is a Recorder that writes events.
type teller struct{ enc *json.Encoder }

func (t teller) tell(e event) error {
	if err := t.enc.Encode(e); err != nil {
		return fmt.Errorf("tell: %w", err)
	}
	return nil
}

func (t teller) Trial(tr harness.Trial) error { return t.tell(event{Trial: &tr}) }
func (t teller) Skip(c harness.Cell, reason string) error {
	return t.tell(event{Skip: &skipping{c, reason}})
}
func (t teller) Reject(tr harness.Trial, reason string) error {
	return t.tell(event{Reject: &rejection{tr, reason}})
}
func (t teller) Gate(g record.Gate) error  { return t.tell(event{Gate: &g}) }
func (t teller) Steal(time.Duration) error { return nil }
