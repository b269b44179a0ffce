// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"fmt"

	"github.com/kxlab/kxlab/harness"
)

// checkScores checks that scores only speak of what is declared, and bound it.
func checkScores(e harness.Experiment) error {
	if err := unique("score", e.Scores, func(s harness.Score) string { return s.Name }); err != nil {
		return err
	}
	for _, s := range e.Scores {
		if err := checkScore(e, s); err != nil {
			return fmt.Errorf("score %s: %w", s.Name, err)
		}
	}
	return nil
}

func checkScore(e harness.Experiment, s harness.Score) error {
	w, err := findWorkload(e, s.Workload)
	if err != nil {
		return err
	}
	units := names(w.Metrics, func(m harness.MetricSpec) string { return m.Unit })
	if err := harness.Known("unit", s.Unit, units); err != nil {
		return err
	}
	if err := harness.Known("variant", s.Variant, names(e.Variants, variantName)); err != nil {
		return err
	}
	if s.Over != "" {
		if err := harness.Known("variant", s.Over, names(e.Variants, variantName)); err != nil {
			return fmt.Errorf("over: %w", err)
		}
	}
	switch {
	case s.About == "":
		return fmt.Errorf("about is empty: say what it stands for")
	case s.Over == s.Variant:
		return fmt.Errorf("over: %s is the variant itself", s.Over)
	case s.Least == nil && s.Most == nil:
		return fmt.Errorf("neither least nor most is given")
	case s.Least != nil && s.Most != nil && *s.Least > *s.Most:
		return fmt.Errorf("least %g is more than most %g", *s.Least, *s.Most)
	}
	return checkWhere(w, s.Where)
}
