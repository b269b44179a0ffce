// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/netlab"
)

// Sched is the family of CPU schedulers. Only one can be in force at a time, so members are put in force for each trial
// and taken out again.
type Family struct{ Loader *bpfobj.Loader }

// Methods names the ways to put a scheduler in force.
func (f Family) Methods() []string { return methods(f.Loader, false).Names() }

// schedMeasure measures one trial of one workload.
type measurement func(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error)

// workloads is the table of behaviours by the name definitions use, each under one scheduler.
func (s *stage) workloads() map[string]measurement {
	return map[string]measurement{
		"nginx":      s.nginx,
		"hackbench":  s.hackbench,
		"schbench":   s.schbench,
		"stress":     s.stress,
		"cyclictest": s.cyclictest,
		"fair":       s.fair,
		"wake":       s.wake,
		"pipe":       s.pipe,
		"mixed":      s.mixed,
		"churn":      s.churn,
		"timeline":   s.timeline,
	}
}

// schedSwitch is the workload that puts schedulers in force itself.
const schedSwitch = "switch"

// Workloads names the behaviours of the family, sorted.
func (Family) Workloads() []string {
	names := append(slices.Collect(maps.Keys((&stage{}).workloads())), schedSwitch)
	slices.Sort(names)
	return names
}

// schedWords are the axes whose values are words.
func schedWords() map[string][]string {
	return map[string][]string{
		"place": {"pinned", "floating", "same", "apart", "free"},
		"mix":   {"ipc", "mixed"},
	}
}

// schedBounds are the axes whose values are whole numbers, each with the least and the most it can be.
func schedBounds() map[string][2]int {
	return map[string][2]int{
		"conns": {2, 1000}, "batch": {0, 64}, "busy": {0, 64}, "groups": {1, 10}, "workers": {1, 64},
		"bound": {1, 1000}, "tasks": {1, 64}, "changes": {1, 1000},
	}
}

// Axes names the axes the family understands.
func (Family) Axes() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(schedWords())), maps.Keys(schedBounds()))
	slices.Sort(names)
	return names
}

// CheckAxis returns an error unless the axis can have the value.
func (Family) CheckAxis(name, value string) error {
	if words, ok := schedWords()[name]; ok && !slices.Contains(words, value) {
		return fmt.Errorf("%s=%s: want one of %s", name, value, strings.Join(words, ", "))
	}
	if b, ok := schedBounds()[name]; ok {
		if n, err := strconv.Atoi(value); err != nil || n < b[0] || n > b[1] {
			return fmt.Errorf("%s=%s: want %d to %d", name, value, b[0], b[1])
		}
	}
	return nil
}

// number is the value of a cell's axis that CheckAxis has passed; 0 if the cell does not have it.
func number(c harness.Cell, axis string) int {
	n, _ := strconv.Atoi(c.Axis(axis))
	return n
}

// schedStage is the machine with the members of a group, of which one at a time is in force.
type stage struct {
	methods harness.Methods[scheduler]
	members []harness.Member
	island  *netlab.Island // where servers and clients meet
	moves   *moves
	seed    uint64
	failed  map[string]bool // members whose gate was not passed here
}

// Prepare takes note of the members: each is put in force when its trial comes.
func (f Family) Prepare(_ context.Context, g harness.Group) (harness.Stage, error) {
	island, err := netlab.NewIsland()
	if err != nil {
		return nil, err
	}
	return &stage{methods: methods(f.Loader, g.Guest), members: g.Members, island: island, moves: newMoves(), seed: g.Seed, failed: map[string]bool{}}, nil
}

// member finds a member by its name in the record.
func (s *stage) member(name string) (harness.Member, error) {
	i := slices.IndexFunc(s.members, func(m harness.Member) bool { return m.Name == name })
	if i < 0 {
		return harness.Member{}, fmt.Errorf("no member %q in this group", name)
	}
	return s.members[i], nil
}

// Absent is empty: what cannot be put in force is found by the gate.
func (s *stage) Absent() map[string]error { return nil }

// Measure measures one cell: the member is put in force for it and taken out after it.
func (s *stage) Measure(ctx context.Context, c harness.Cell, b harness.Budget) (r harness.Result, err error) {
	m, err := s.member(c.Variant)
	if err != nil {
		return r, err
	}
	if c.Workload == schedSwitch {
		return s.change(ctx, m, c, b)
	}
	measure, ok := s.workloads()[c.Workload]
	if !ok {
		return r, fmt.Errorf("unknown workload %q", c.Workload)
	}
	f, err := s.enforce(ctx, m)
	if err != nil {
		return r, err
	}
	r, err = measure(ctx, c, b)
	f.told(&r)
	broken := f.broken()
	if cerr := f.close(); cerr != nil {
		return r, errors.Join(err, cerr)
	}
	switch {
	case broken != nil: // what else went wrong is likely its doing
		r.Invalid = fmt.Sprintf("the scheduler fell out of force during the trial: %v", broken)
		return r, nil
	case err != nil:
		return r, err
	}
	return r, nil
}

// Close gives the island back. Every member was taken out of force after its trial.
func (s *stage) Close() error {
	return errors.Join(s.moves.close(), s.island.Close())
}
