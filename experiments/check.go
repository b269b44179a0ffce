// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"fmt"
	"slices"

	"github.com/kxlab/kxlab/harness"
)

// check returns the first thing in a definition that means nothing or means two things.
func check(e harness.Experiment, v Vocabulary) error {
	if err := harness.CheckName("experiment", e.Name); err != nil {
		return err
	}
	var family harness.Family
	if v.Families != nil {
		if err := harness.Known("family", e.Family, keys(v.Families)); err != nil {
			return err
		}
		family = v.Families[e.Family]
	}
	if e.Title == "" || e.Question == "" {
		return fmt.Errorf("experiment %s: title and question must be given", e.Name)
	}
	if err := checkTargets(e.Targets); err != nil {
		return err
	}
	if g := e.Guest; g.CPUs < 0 || g.ExactCPUs < 0 || g.ExactParts < 0 || g.ExactGates < 0 || g.MemoryMB < 0 {
		return fmt.Errorf("guest: cpus, exactcpus, exactparts, exactgates and memorymb must not be negative")
	}
	if r := e.Guest.Root; r != "" {
		if err := harness.Known("root of guests", r, []string{"host", "image"}); err != nil {
			return fmt.Errorf("guest: %w", err)
		}
	}
	if err := checkVariants(e, v); err != nil {
		return err
	}
	if err := checkWorkloads(e, family); err != nil {
		return err
	}
	if err := checkProfiles(e, family); err != nil {
		return err
	}
	if err := checkScores(e); err != nil {
		return err
	}
	if err := checkLaws(e); err != nil {
		return err
	}
	return checkPlots(e)
}

// checkTargets checks that every target is one, and there once.
func checkTargets(targets []string) error {
	for i, t := range targets {
		if err := harness.Known("target", t, harness.Targets()); err != nil {
			return err
		}
		if slices.Contains(targets[:i], t) {
			return fmt.Errorf("target %s is given twice", t)
		}
	}
	return nil
}

func checkVariants(e harness.Experiment, words Vocabulary) error {
	if err := unique("variant", e.Variants, func(v harness.Variant) string { return v.Name }); err != nil {
		return err
	}
	for _, v := range e.Variants {
		if err := checkVariant(v, words.Families[e.Family]); err != nil {
			return fmt.Errorf("variant %s: %w", v.Name, err)
		}
		if err := checkOriginal(e, v); err != nil {
			return fmt.Errorf("variant %s: original: %w", v.Name, err)
		}
	}
	if err := harness.Known("variant", e.AA, names(e.Variants, variantName)); err != nil {
		return fmt.Errorf("aa: %w", err)
	}
	return nil
}

// checkOriginal checks that a variant claims to behave like another one of the definition.
func checkOriginal(e harness.Experiment, v harness.Variant) error {
	switch {
	case v.Original == "" && v.Control:
		return fmt.Errorf("none: a control needs one that it differs from")
	case v.Original == "":
		return nil
	case v.Original == v.Name:
		return fmt.Errorf("%s is the variant itself", v.Original)
	}
	return harness.Known("variant", v.Original, names(e.Variants, variantName))
}

func checkVariant(v harness.Variant, family harness.Family) error {
	if base, isAA := cutAA(v.Name); isAA {
		return fmt.Errorf("the ending %s is kept for the second measurement of %s", harness.SuffixAA, base)
	}
	if err := harness.CheckName("class", v.Class); err != nil {
		return err
	}
	if family != nil {
		if err := harness.Known("attach method", v.Attach, family.Methods()); err != nil {
			return err
		}
	} else if v.Attach == "" {
		return fmt.Errorf("no attach method")
	}
	if v.About == "" {
		return fmt.Errorf("about is empty: say what it is and what extra work it does")
	}
	if v.Object == "" && len(v.Knobs) > 0 {
		return fmt.Errorf("knobs are variables of a BPF object, and it has none")
	}
	if family != nil {
		if err := checkSettings(v, harness.Settings(family, v.Attach)); err != nil {
			return err
		}
	}
	if err := unique("setting", v.Settings, func(s harness.Setting) string { return s.Name }); err != nil {
		return err
	}
	return unique("knob", v.Knobs, func(k harness.Knob) string { return k.Name })
}

// checkSettings checks a variant's settings against the values that its method knows.
func checkSettings(v harness.Variant, known map[string][]string) error {
	for _, s := range v.Settings {
		if len(known) == 0 {
			return fmt.Errorf("setting %s: method %s has no settings", s.Name, v.Attach)
		}
		if err := harness.Known("setting", s.Name, keys(known)); err != nil {
			return err
		}
		if err := harness.Known("value of setting "+s.Name, s.Value, known[s.Name]); err != nil {
			return err
		}
	}
	return nil
}

func checkWorkloads(e harness.Experiment, family harness.Family) error {
	if err := unique("workload", e.Workloads, workloadName); err != nil {
		return err
	}
	for _, w := range e.Workloads {
		if err := checkWorkload(w, family); err != nil {
			return fmt.Errorf("workload %s: %w", w.Name, err)
		}
	}
	return nil
}

func checkWorkload(w harness.WorkloadSpec, family harness.Family) error {
	if family != nil {
		if err := harness.Known("workload", w.Name, family.Workloads()); err != nil {
			return err
		}
		for _, a := range w.Axes {
			if err := harness.Known("axis", a.Name, family.Axes()); err != nil {
				return err
			}
		}
	}
	if err := unique("axis", w.Axes, axisName); err != nil {
		return err
	}
	for _, a := range w.Axes {
		if slices.Contains(reservedAxes, a.Name) {
			return fmt.Errorf("axis %s: the record uses this name itself", a.Name)
		}
		if err := checkValues(a, family); err != nil {
			return err
		}
	}
	if len(w.Metrics) == 0 {
		return fmt.Errorf("no metrics")
	}
	seen := map[string]bool{}
	for _, m := range w.Metrics {
		if err := checkUnit(m.Unit); err != nil {
			return err
		}
		if seen[m.Unit] {
			return fmt.Errorf("unit %q is given twice", m.Unit)
		}
		seen[m.Unit] = true
		if err := harness.Known("way in better", m.Better, []string{"higher", "lower"}); err != nil {
			return fmt.Errorf("unit %s: %w", m.Unit, err)
		}
		if err := checkComparison(m); err != nil {
			return fmt.Errorf("unit %s: %w", m.Unit, err)
		}
	}
	return nil
}

// checkComparison checks how the unit's values are compared.
func checkComparison(m harness.MetricSpec) error {
	if m.Compare != "" {
		if err := harness.Known("way to compare", m.Compare, harness.CompareWays()); err != nil {
			return err
		}
	}
	switch {
	case !(m.Least >= 0):
		return fmt.Errorf("least is %v, want a difference above 0", m.Least)
	case m.Least > 0 && !m.Difference():
		return fmt.Errorf("least is the least difference that matters, and ratios are compared: say compare: difference, or leave least out")
	}
	return nil
}

// reservedAxes are the keys that every benchmark name has by itself.
var reservedAxes = []string{"workload", "class", "variant"}

func checkValues(a harness.Axis, family harness.Family) error {
	if len(a.Values) == 0 {
		return fmt.Errorf("axis %s: no values", a.Name)
	}
	for _, v := range a.Values {
		if err := harness.CheckAxis(family, a.Name, v); err != nil {
			return fmt.Errorf("axis %s: %w", a.Name, err)
		}
	}
	return unique("value of axis "+a.Name, a.Values, func(s string) string { return s })
}

// unique checks names by harness.CheckName and that there is at least one item unless none is needed.
func unique[T any](kind string, items []T, name func(T) string) error {
	seen := make(map[string]bool, len(items))
	for i, it := range items {
		n := name(it)
		if err := harness.CheckName(kind, n); err != nil {
			return fmt.Errorf("item %d: %w", i+1, err)
		}
		if seen[n] {
			return fmt.Errorf("%s %q is given twice", kind, n)
		}
		seen[n] = true
	}
	return nil
}
