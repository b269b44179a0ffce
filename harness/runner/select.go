// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"fmt"
	"slices"

	"github.com/kxlab/kxlab/harness"
)

// A Selection says what of an experiment is run.
type Selection struct {
	Profile   string   // name of one of the experiment's profiles
	Target    string   // empty: the host
	Variants  []string // empty: all
	Workloads []string // empty: all that the profile has
	// Axes replace the profile's values of an axis in every workload that has it.
	Axes    []harness.Axis
	Repeats int // 0: the profile's
}

// resolution is what a Selection names in the experiment.
type resolution struct {
	profile  harness.Profile
	variants []harness.Variant
	aa       string // the variant that is measured twice
}

func (s Selection) resolve(e harness.Experiment) (resolution, error) {
	var w resolution
	i := slices.IndexFunc(e.Profiles, func(p harness.Profile) bool { return p.Name == s.Profile })
	if i < 0 {
		return w, harness.Known("profile", s.Profile, names(e.Profiles, func(p harness.Profile) string { return p.Name }))
	}
	w.profile = e.Profiles[i]
	if s.Repeats < 0 {
		return w, fmt.Errorf("repeats must not be negative: %d", s.Repeats)
	}
	if err := s.checkWorkloads(e, w.profile); err != nil {
		return w, err
	}
	if err := s.checkAxes(e, w.profile); err != nil {
		return w, err
	}
	for _, v := range s.Variants {
		if err := harness.Known("variant", v, names(e.Variants, func(v harness.Variant) string { return v.Name })); err != nil {
			return w, err
		}
	}
	for _, v := range e.Variants {
		if len(s.Variants) == 0 || slices.Contains(s.Variants, v.Name) {
			w.variants = append(w.variants, v)
		}
	}
	w.aa = pickAA(e.AA, w.variants)
	return w, nil
}

func (s Selection) checkWorkloads(e harness.Experiment, p harness.Profile) error {
	for _, name := range s.Workloads {
		all := names(e.Workloads, func(w harness.WorkloadSpec) string { return w.Name })
		if err := harness.Known("workload", name, all); err != nil {
			return err
		}
		if !slices.ContainsFunc(p.Workloads, func(pw harness.ProfileWorkload) bool { return pw.Name == name }) {
			return fmt.Errorf("workload %s is not in profile %s", name, p.Name)
		}
	}
	return nil
}

// checkAxes wants every axis to be one of a workload that will run.
func (s Selection) checkAxes(e harness.Experiment, p harness.Profile) error {
	var known []string
	for _, pw := range p.Workloads {
		if s.hasWorkload(pw.Name) {
			known = append(known, names(spec(e, pw.Name).Axes, func(a harness.Axis) string { return a.Name })...)
		}
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for i, a := range s.Axes {
		if err := harness.Known("axis", a.Name, known); err != nil {
			return err
		}
		if slices.ContainsFunc(s.Axes[:i], func(b harness.Axis) bool { return b.Name == a.Name }) {
			return fmt.Errorf("axis %s is given twice", a.Name)
		}
		if len(a.Values) == 0 {
			return fmt.Errorf("axis %s: no values", a.Name)
		}
		for j, v := range a.Values {
			if err := harness.CheckName("value of axis "+a.Name, v); err != nil {
				return err
			}
			if slices.Contains(a.Values[:j], v) {
				return fmt.Errorf("axis %s: value %s is given twice", a.Name, v)
			}
		}
	}
	return nil
}

func (s Selection) hasWorkload(name string) bool {
	return len(s.Workloads) == 0 || slices.Contains(s.Workloads, name)
}

// pickAA names the variant that is measured twice: the experiment's choice if it takes part, else the first that does
// any work, else the first. Every run measures its own noise.
func pickAA(choice string, variants []harness.Variant) string {
	aa := ""
	for _, v := range variants {
		if v.Name == choice {
			return choice
		}
		if aa == "" && v.Class != harness.ClassCeiling {
			aa = v.Name
		}
	}
	if aa == "" && len(variants) > 0 {
		aa = variants[0].Name
	}
	return aa
}

// spec finds a workload that the definition is known to declare.
func spec(e harness.Experiment, name string) harness.WorkloadSpec {
	for _, w := range e.Workloads {
		if w.Name == name {
			return w
		}
	}
	return harness.WorkloadSpec{}
}

func names[T any](items []T, name func(T) string) []string {
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = name(it)
	}
	return out
}
