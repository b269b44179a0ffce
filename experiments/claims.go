// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"

	"github.com/kxlab/kxlab/harness"
)

// Claims reads claims.yaml: published statements, and the cells of the shipped experiments that test them. No file means no
// claims.
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
	return claims, in(path.Join("experiments", claimsFile), err)
}

func parseClaims(raw []byte, known map[string]harness.Experiment) ([]harness.Claim, error) {
	var file struct{ Claims []harness.Claim }
	if err := decode(raw, &file); err != nil {
		return nil, err
	}
	id := func(c harness.Claim) string { return c.ID }
	return file.Claims, each("claim", file.Claims, id, func(c harness.Claim) error { return checkClaim(c, known) })
}

// checkClaim checks that a claim has its text, source and what was measured there, and either cells that test it or the reason
// why none can.
func checkClaim(c harness.Claim, known map[string]harness.Experiment) error {
	cells := c.Figure != 0 || c.Relation != "" || c.Unit != "" || c.Numerator.Workload != "" || c.Denominator.Workload != ""
	err := cmp.Or(
		refuse(c.Text == "" || c.Source == "" || c.Measured == "", "text, source and measured must be given"),
		refuse(c.Cannot != "" && cells, "it has a reason why it cannot be tested, and cells that speak to it"),
	)
	if err != nil || c.Cannot != "" {
		return err
	}
	e := known[c.Experiment]
	return cmp.Or(
		harness.Known("experiment", c.Experiment, keys(known)),
		refuse(!(c.Figure > 0) || math.IsInf(c.Figure, 0), "figure is %v, must be more than 0", c.Figure),
		harness.Known("relation", c.Relation, []string{">=", "<="}),
		in("numerator", checkSelector(e, c.Numerator, c.Unit)),
		in("denominator", checkSelector(e, c.Denominator, c.Unit)),
	)
}

func checkSelector(e harness.Experiment, s harness.CellSelector, unit string) error {
	w, err := e.Workload(s.Workload)
	return cmp.Or(
		err,
		harness.Known("variant", s.Variant, e.VariantNames()),
		harness.Known("unit", unit, w.Units()),
		checkWhere(w, s.Where),
	)
}
