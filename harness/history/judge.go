// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// Behind is how many commits of the line follow its newest measured one.
func (l Line) Behind() int {
	if len(l.Entries) == 0 {
		return len(l.commits)
	}
	return len(l.commits) - 1 - l.Place[len(l.Place)-1]
}

// Judged says how many runs of the newest entry are held against earlier ones such that a step would be seen there: on target exact, with two
// repeats of a series that both have. elsewhere are the runs whose experiment was measured before, but in other settings alone.
func (l Line) Judged() (judged int, elsewhere []string) {
	if len(l.Entries) == 0 {
		return 0, nil
	}
	newest := len(l.Entries) - 1
	all := l.settings()
	for _, r := range l.Entries[newest].Runs {
		earlier := harness.Filter(all[r.Setting], func(p placed) bool { return p.at < newest })
		if len(earlier) == 0 {
			var other []string
			for set, runs := range all {
				if set != r.Setting && set.Experiment == r.Experiment && set.Target == r.Target && runs[0].at < newest {
					other = append(other, set.String())
				}
			}
			if len(other) > 0 {
				slices.Sort(other)
				elsewhere = append(elsewhere, fmt.Sprintf("%s was measured before as %s", r.Setting, strings.Join(other, " and ")))
			}
			continue
		}
		if r.Target != harness.TargetExact {
			continue
		}
		seen := func(s Series) bool {
			return slices.ContainsFunc(earlier, func(p placed) bool { return moved(s, p.Run, r).pairs > 1 })
		}
		if slices.ContainsFunc(slices.Collect(maps.Keys(r.Values)), seen) {
			judged++
		}
	}
	return judged, elsewhere
}

// A measured is an experiment on a target.
type measured struct{ experiment, target string }

// machines remarks on what was measured on several machines.
func (l *Line) machines() {
	cpus := map[measured]map[string]int{}
	for setting, runs := range l.settings() {
		m := measured{setting.Experiment, setting.Target}
		if cpus[m] == nil {
			cpus[m] = map[string]int{}
		}
		cpus[m][setting.CPU] += len(runs)
	}
	for _, m := range slices.SortedFunc(maps.Keys(cpus), func(x, y measured) int {
		return cmp.Or(cmp.Compare(x.experiment, y.experiment), cmp.Compare(x.target, y.target))
	}) {
		if len(cpus[m]) < 2 {
			continue
		}
		each := harness.Map(slices.Sorted(maps.Keys(cpus[m])), func(cpu string) string { return fmt.Sprintf("%s (%s)", cpu, harness.Plural(cpus[m][cpu], "run")) })
		l.Remarks = append(l.Remarks, fmt.Sprintf("%s on %s was measured on several machines, which are not held against one another: %s", m.experiment, m.target, strings.Join(each, ", ")))
	}
}

// directions remarks on units of which commits say different things about what is better.
func (l *Line) directions() {
	type unit struct {
		experiment, name string
	}
	say := map[unit]map[int][]string{}
	for _, e := range l.Entries {
		for _, r := range e.Runs {
			for name, way := range r.Better {
				u := unit{r.Experiment, name}
				if say[u] == nil {
					say[u] = map[int][]string{}
				}
				say[u][way] = append(say[u][way], fmt.Sprintf("%.12s", e.Commit))
			}
		}
	}
	for _, u := range slices.SortedFunc(maps.Keys(say), func(x, y unit) int {
		return cmp.Or(cmp.Compare(x.experiment, y.experiment), cmp.Compare(x.name, y.name))
	}) {
		higher, lower := say[u][1], say[u][-1]
		if len(higher) == 0 || len(lower) == 0 {
			continue
		}
		few, word := higher, "higher"
		if len(lower) < len(higher) {
			few, word = lower, "lower"
		}
		l.Remarks = append(l.Remarks, fmt.Sprintf("%s says that %s values of %s are better in %s, and others say the opposite: steps between them have no better way",
			strings.Join(few[:min(3, len(few))], ", "), word, u.name, u.experiment))
	}
}
