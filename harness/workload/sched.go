// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// Sched is the family of CPU schedulers. Only one can be in force at a time, so members are put in force for each trial
// and taken out again.
type Sched struct{}

// schedMeasure measures one trial of one workload.
type schedMeasure func(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error)

// workloads is the table of behaviours by the name definitions use.
func (s *schedStage) workloads() map[string]schedMeasure {
	return map[string]schedMeasure{
		"nginx": s.none, "hackbench": s.none, "schbench": s.none, "stress": s.none, "cyclictest": s.none, "fair": s.none,
		"wake": s.none, "pipe": s.none, "mixed": s.none, "churn": s.none, "switch": s.none, "timeline": s.none,
	}
}

// none stands for workloads that are written down and not yet built.
func (s *schedStage) none(context.Context, harness.Cell, harness.Budget) (harness.Result, error) {
	return harness.Result{}, harness.Skip("this workload is defined but not built yet")
}

// Workloads names the behaviours of the family, sorted.
func (Sched) Workloads() []string { return slices.Sorted(maps.Keys((&schedStage{}).workloads())) }

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
func (Sched) Axes() []string {
	return slices.Sorted(maps.Keys(mergeKeys(schedWords(), schedBounds())))
}

func mergeKeys[A, B any](a map[string]A, b map[string]B) map[string]struct{} {
	out := map[string]struct{}{}
	for k := range a {
		out[k] = struct{}{}
	}
	for k := range b {
		out[k] = struct{}{}
	}
	return out
}

// CheckAxis returns an error unless the axis can have the value.
func (Sched) CheckAxis(name, value string) error {
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

// schedStage is the machine with the members of a group, of which one at a time is in force.
type schedStage struct {
	members map[string]harness.Member
}

// Prepare takes note of the members: each is put in force when its trial comes.
func (Sched) Prepare(_ context.Context, g harness.Group) (harness.Stage, error) {
	s := &schedStage{members: map[string]harness.Member{}}
	for _, m := range g.Members {
		s.members[m.Name] = m
	}
	return s, nil
}

// Absent is empty: what cannot be put in force is found by the gate.
func (s *schedStage) Absent() map[string]string { return nil }

// Check runs the correctness gate on a member.
func (s *schedStage) Check(context.Context, string) error { return nil }

// Measure measures one cell.
func (s *schedStage) Measure(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	measure, ok := s.workloads()[c.Workload]
	if !ok {
		return harness.Result{}, fmt.Errorf("unknown workload %q", c.Workload)
	}
	return measure(ctx, c, b)
}

// Close has nothing to undo between trials.
func (s *schedStage) Close() error { return nil }
