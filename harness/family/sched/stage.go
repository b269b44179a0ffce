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

// Family is the family of CPU schedulers. Only one can be in force at a time, so each trial enables its member and
// disables it again.
type Family struct{ Loader *bpfobj.Loader }

// Methods names the ways to put a scheduler in force.
func (f Family) Methods() []string { return methods(f.Loader, false).Names() }

// GuestMethods names those that change the whole machine.
func (Family) GuestMethods() []string { return []string{"sched_ext", harness.AttachCommand} }

// A measurement measures one trial of one workload.
type measurement func(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error)

// workloads is the table of workloads that run under one scheduler, by name in an experiment's definition.
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

// switchWorkload is the workload that enables and disables schedulers itself.
const switchWorkload = "switch"

// Workloads returns the names of the family's workloads, sorted.
func (Family) Workloads() []string {
	names := append(slices.Collect(maps.Keys((&stage{}).workloads())), switchWorkload)
	slices.Sort(names)
	return names
}

// axisWords returns the axes whose values are words.
func axisWords() map[string][]string {
	return map[string][]string{
		"place": {"pinned", "floating", "same", "apart", "free"},
		"mix":   {"ipc", "mixed"},
	}
}

// axisBounds returns the axes whose values are whole numbers, each with its least and its greatest value.
func axisBounds() map[string][2]int {
	return map[string][2]int{
		"conns": {2, 1000}, "batch": {0, 64}, "busy": {0, 64}, "groups": {1, 10}, "workers": {1, 64},
		"bound": {1, 1000}, "tasks": {1, 64}, "changes": {1, 1000},
	}
}

// Axes returns the names of the family's axes, sorted.
func (Family) Axes() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(axisWords())), maps.Keys(axisBounds()))
	slices.Sort(names)
	return names
}

// CheckAxis returns an error unless the value is valid for the axis.
func (Family) CheckAxis(name, value string) error {
	if words, ok := axisWords()[name]; ok && !slices.Contains(words, value) {
		return fmt.Errorf("%s=%s: want one of %s", name, value, strings.Join(words, ", "))
	}
	if b, ok := axisBounds()[name]; ok {
		if n, err := strconv.Atoi(value); err != nil || n < b[0] || n > b[1] {
			return fmt.Errorf("%s=%s: want %d to %d", name, value, b[0], b[1])
		}
	}
	return nil
}

// number returns the value of a cell's axis, which CheckAxis has passed; 0 if the cell has no such axis.
func number(c harness.Cell, axis string) int {
	n, _ := strconv.Atoi(c.Axis(axis))
	return n
}

// A stage is the machine with the members of a group, of which one at a time is in force.
type stage struct {
	methods    harness.Methods[Scheduler]
	members    []harness.Member
	island     *netlab.Island // the network namespace of servers and clients
	migrations *migrationCounters
	seed       uint64
	failed     map[string]bool // members that failed the gate on this stage
}

// Prepare stores the members: each is put in force at its trial.
func (f Family) Prepare(_ context.Context, g harness.Group) (harness.Stage, error) {
	island, err := netlab.NewIsland()
	if err != nil {
		return nil, err
	}
	return &stage{methods: methods(f.Loader, g.Guest), members: g.Members, island: island, migrations: openMigrationCounters(), seed: g.Seed, failed: map[string]bool{}}, nil
}

// member returns the member of a name in the record.
func (s *stage) member(name string) (harness.Member, error) {
	i := slices.IndexFunc(s.members, func(m harness.Member) bool { return m.Name == name })
	if i < 0 {
		return harness.Member{}, fmt.Errorf("no member %q in this group", name)
	}
	return s.members[i], nil
}

// Absent is empty: the gate finds a member that cannot be put in force.
func (s *stage) Absent() map[string]error { return nil }

// Measure puts the cell's member in force, measures the cell and disables the member.
func (s *stage) Measure(ctx context.Context, c harness.Cell, b harness.Budget) (r harness.Result, err error) {
	m, err := s.member(c.Variant)
	if err != nil {
		return r, err
	}
	if c.Workload == switchWorkload {
		return s.alternate(ctx, m, c, b)
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
	f.addCounters(&r)
	broken := f.checkInForce()
	if cerr := f.close(); cerr != nil {
		return r, errors.Join(err, cerr)
	}
	switch {
	case broken != nil: // a further error is likely a consequence
		r.Invalid = fmt.Sprintf("the scheduler fell out of force during the trial: %v", broken)
		return r, nil
	case err != nil:
		return r, err
	}
	return r, nil
}

// Close removes the island. Every member was disabled after its trial.
func (s *stage) Close() error {
	return errors.Join(s.migrations.close(), s.island.Close())
}
