// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"fmt"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/law"
)

// checkLaws checks that laws only speak of what is declared, and that their formulas have all of their parameters.
func checkLaws(e harness.Experiment) error {
	if err := unique("law", e.Laws, func(l harness.Law) string { return l.Name }); err != nil {
		return err
	}
	for _, l := range e.Laws {
		if err := checkLaw(e, l); err != nil {
			return fmt.Errorf("law %s: %w", l.Name, err)
		}
	}
	return nil
}

func checkLaw(e harness.Experiment, l harness.Law) error {
	w, err := findWorkload(e, l.Workload)
	if err != nil {
		return err
	}
	units := names(w.Metrics, func(m harness.MetricSpec) string { return m.Unit })
	if err := harness.Known("unit", l.Unit, units); err != nil {
		return err
	}
	if len(l.Variants) == 0 {
		return fmt.Errorf("no variants")
	}
	for _, v := range l.Variants {
		if err := harness.Known("variant", v, names(e.Variants, variantName)); err != nil {
			return err
		}
	}
	f, err := law.Find(l.Formula)
	if err != nil {
		return err
	}
	switch {
	case l.About == "":
		return fmt.Errorf("about is empty: say what it is")
	case l.Source == "" && f.Source == "":
		return fmt.Errorf("source is empty: say where it is from")
	case l.Tolerance <= 0 || l.Tolerance >= 1:
		return fmt.Errorf("tolerance %g: want a part of the prediction, between 0 and 1", l.Tolerance)
	case l.Side != "" && l.Side != harness.LawMost && l.Side != harness.LawLeast:
		return fmt.Errorf("side %q: want most, least or none", l.Side)
	}
	if err := checkParams(l, f, w, units); err != nil {
		return err
	}
	return checkWhere(w, l.Where)
}

// checkParams checks that the parameters are the formula's, and that each has one origin.
func checkParams(l harness.Law, f law.Formula, w harness.WorkloadSpec, units []string) error {
	if err := unique("parameter", l.Params, func(p harness.LawParam) string { return p.Name }); err != nil {
		return err
	}
	for _, p := range l.Params {
		if err := harness.Known("parameter of "+l.Formula, p.Name, f.Params); err != nil {
			return err
		}
		var err error
		origins := 0
		if p.Value != 0 {
			origins++
		}
		if p.Axis != "" {
			origins++
			err = harness.Known("axis", p.Axis, names(w.Axes, axisName))
		}
		if p.Unit != "" {
			origins++
			err = harness.Known("unit", p.Unit, units)
		}
		if err != nil {
			return fmt.Errorf("parameter %s: %w", p.Name, err)
		}
		if origins != 1 {
			return fmt.Errorf("parameter %s: want one of value, axis and unit", p.Name)
		}
	}
	for _, name := range f.Params {
		if !slices.ContainsFunc(l.Params, func(p harness.LawParam) bool { return p.Name == name }) {
			return fmt.Errorf("parameter %s of %s is not given", name, l.Formula)
		}
	}
	return nil
}
