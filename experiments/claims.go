// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"

	"github.com/kxlab/kxlab/harness"
)

// Claims reads claims.yaml: what others have said, and which cells of the shipped experiments speak to it. No file means
// no claims.
func Claims() ([]harness.Claim, error) {
	raw, err := files.ReadFile(claimsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open claims: %w", err)
	}
	known := map[string]harness.Experiment{}
	for _, name := range Names() {
		e, err := Open(name, Vocabulary{})
		if err != nil {
			return nil, err
		}
		known[name] = e
	}
	claims, err := parseClaims(raw, known)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path.Join("experiments", claimsFile), err)
	}
	return claims, nil
}

func parseClaims(raw []byte, known map[string]harness.Experiment) ([]harness.Claim, error) {
	var file struct{ Claims []harness.Claim }
	if err := decode(raw, &file); err != nil {
		return nil, err
	}
	if err := unique("claim", file.Claims, func(c harness.Claim) string { return c.ID }); err != nil {
		return nil, err
	}
	for _, c := range file.Claims {
		if err := checkClaim(c, known); err != nil {
			return nil, fmt.Errorf("claim %s: %w", c.ID, err)
		}
	}
	return file.Claims, nil
}

// checkClaim wants a claim to say what was said, by whom and what was measured, and then either which cells speak to it
// or why none can.
func checkClaim(c harness.Claim, known map[string]harness.Experiment) error {
	if c.Text == "" || c.Source == "" || c.Measured == "" {
		return errors.New("text, source and measured must be given")
	}
	if c.Cannot != "" {
		if c.Figure != 0 || c.Relation != "" || c.Unit != "" || c.Numerator.Workload != "" || c.Denominator.Workload != "" {
			return errors.New("it has a reason why it cannot be tested, and cells that speak to it")
		}
		return nil
	}
	if err := harness.Known("experiment", c.Experiment, keys(known)); err != nil {
		return err
	}
	if !(c.Figure > 0) || math.IsInf(c.Figure, 0) {
		return fmt.Errorf("figure is %v, must be more than 0", c.Figure)
	}
	if err := harness.Known("relation", c.Relation, []string{">=", "<="}); err != nil {
		return err
	}
	e := known[c.Experiment]
	if err := checkSelector(e, c.Numerator, c.Unit); err != nil {
		return fmt.Errorf("numerator: %w", err)
	}
	if err := checkSelector(e, c.Denominator, c.Unit); err != nil {
		return fmt.Errorf("denominator: %w", err)
	}
	return nil
}

func checkSelector(e harness.Experiment, s harness.CellSelector, unit string) error {
	w, err := findWorkload(e, s.Workload)
	if err != nil {
		return err
	}
	if err := harness.Known("variant", s.Variant, names(e.Variants, variantName)); err != nil {
		return err
	}
	if err := harness.Known("unit", unit, names(w.Metrics, func(m harness.MetricSpec) string { return m.Unit })); err != nil {
		return err
	}
	return checkWhere(w, s.Where)
}
