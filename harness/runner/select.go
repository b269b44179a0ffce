// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A Selection is the part of an experiment that is run.
type Selection struct {
	Profile   string   // name of one of the experiment's profiles
	Target    string   // empty: the host
	Variants  []string // empty: all
	Workloads []string // empty: all that the profile has
	// Axes replace the profile's values of an axis in every workload that has it.
	Axes    []harness.Axis
	Repeats int // 0: the profile's
	// WithoutAA measures no variant twice: for a comparison whose noise its own repeats show.
	WithoutAA bool `json:",omitempty"`
}

// mostRepeats is how many trials a cell has at most: each step of a run is planned, and its trial kept.
const mostRepeats = 10_000

// resolution holds what a Selection names.
type resolution struct {
	profile  harness.Profile
	variants []harness.Variant
	aa       string // the variant that is measured twice
}

func (s Selection) resolve(e harness.Experiment) (resolution, error) {
	var w resolution
	var known bool
	w.profile, known = harness.Find(e.Profiles, func(p harness.Profile) bool { return p.Name == s.Profile })
	if !known {
		return w, harness.Known("profile", s.Profile, harness.Map(e.Profiles, func(p harness.Profile) string { return p.Name }))
	}
	if s.Repeats < 0 || s.Repeats > mostRepeats {
		return w, fmt.Errorf("%d repeats: a cell has from 1 to %d trials (0: as many as the profile says)", s.Repeats, mostRepeats)
	}
	if err := cmp.Or(s.checkWorkloads(e, w.profile), s.checkAxes(e, w.profile)); err != nil {
		return w, err
	}
	for _, v := range s.Variants {
		if err := harness.Known("variant", v, e.VariantNames()); err != nil {
			return w, err
		}
	}
	w.variants = harness.Filter(e.Variants, func(v harness.Variant) bool {
		return len(s.Variants) == 0 || slices.Contains(s.Variants, v.Name)
	})
	if !s.WithoutAA {
		w.aa = pickAA(e.AA, w.variants)
	}
	return w, nil
}

func (s Selection) checkWorkloads(e harness.Experiment, p harness.Profile) error {
	for _, name := range s.Workloads {
		if _, err := e.Workload(name); err != nil {
			return err
		}
		if !slices.ContainsFunc(p.Workloads, func(pw harness.ProfileWorkload) bool { return pw.Name == name }) {
			return fmt.Errorf("workload %s is not in profile %s", name, p.Name)
		}
	}
	return nil
}

// checkAxes checks that every axis is one of a workload that will run, and its values.
func (s Selection) checkAxes(e harness.Experiment, p harness.Profile) error {
	var known []string
	for _, pw := range p.Workloads {
		if s.hasWorkload(pw.Name) {
			w, _ := e.Workload(pw.Name)
			known = append(known, w.AxisNames()...)
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

// elsewhere says which profiles of its target, and which targets with its profile, have a cell of a selection that has none.
func elsewhere(e harness.Experiment, s Selection) string {
	has := func(profile, target string) bool {
		s.Profile, s.Target = profile, target
		p, err := newPlan(e, s)
		return err == nil && p.Trials() > 0
	}
	own, profile := cmp.Or(s.Target, harness.TargetHost), s.Profile
	var have []string
	for _, p := range e.Profiles {
		if has(p.Name, own) {
			have = append(have, "--profile "+p.Name)
		}
	}
	for _, t := range e.TargetsOr() {
		if has(profile, t) {
			have = append(have, "--target "+t)
		}
	}
	if len(have) == 0 {
		return "take others"
	}
	return "take " + strings.Join(have, " or ")
}

func (s Selection) hasWorkload(name string) bool {
	return len(s.Workloads) == 0 || slices.Contains(s.Workloads, name)
}

// pickAA names the variant that is measured twice: the experiment's choice if it takes part, else the first that is no ceiling,
// else the first.
func pickAA(choice string, variants []harness.Variant) string {
	for _, wanted := range []func(harness.Variant) bool{
		func(v harness.Variant) bool { return v.Name == choice },
		func(v harness.Variant) bool { return v.Class != harness.ClassCeiling },
		func(harness.Variant) bool { return true },
	} {
		if v, ok := harness.Find(variants, wanted); ok {
			return v.Name
		}
	}
	return ""
}
