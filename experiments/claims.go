// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"path"
	"slices"

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
	return parseClaims(path.Join("experiments", claimsFile), raw, known)
}

func parseClaims(name string, raw []byte, known map[string]harness.Experiment) ([]harness.Claim, error) {
	var list struct{ Claims []harness.Claim }
	t := newTree()
	root, err := t.parse(&file{name: name}, raw)
	if err != nil {
		return nil, err
	}
	if err := decode(root, &list); err != nil {
		return nil, t.locate(root, err)
	}
	id := func(c harness.Claim) string { return c.ID }
	err = each("claim", list.Claims, id, func(c harness.Claim) error { return checkClaim(c, known) })
	return list.Claims, t.locate(root, at(err, "claims"))
}

// checkClaim returns an error unless a claim has its text, its source, the source's measurement, and either cells that test it or
// the reason why none can.
func checkClaim(c harness.Claim, known map[string]harness.Experiment) error {
	cells := c.Figure != 0 || c.Relation != "" || c.Unit != "" || c.Numerator.Workload != "" || c.Denominator.Workload != ""
	err := cmp.Or(
		refuse(c.Text == "" || c.Source == "" || c.Measured == "", "text, source and measured must be given"),
		at(checkURL(c.URL), "url"),
		refuse(c.Cannot != "" && cells, "it has a reason why it cannot be tested, and cells that speak to it"),
	)
	if err != nil || c.Cannot != "" {
		return err
	}
	e := known[c.Experiment]
	if c.Worst != "" {
		return cmp.Or(at(harness.Known("experiment", c.Experiment, keys(known)), "experiment"), checkWorst(c, e))
	}
	return cmp.Or(
		at(harness.Known("experiment", c.Experiment, keys(known)), "experiment"),
		at(refuse(!(c.Figure > 0) || math.IsInf(c.Figure, 0), "figure is %v, must be more than 0", c.Figure), "figure"),
		at(harness.Known("relation", c.Relation, []string{">=", "<="}), "relation"),
		in("numerator", at(checkSelector(e, c.Numerator, c.Unit), "numerator")),
		in("denominator", at(checkSelector(e, c.Denominator, c.Unit), "denominator")),
	)
}

// checkURL checks the address of a source, if it has one.
func checkURL(address string) error {
	u, err := url.Parse(address)
	return refuse(address != "" && (err != nil || u.Scheme != "https" || u.Host == ""), "url is %q, must begin with https://", address)
}

// checkWorst checks a claim about fates.
func checkWorst(c harness.Claim, e harness.Experiment) error {
	_, fate := harness.ParseFate(c.Worst)
	w, err := e.Workload(c.Numerator.Workload)
	return cmp.Or(
		at(fate, "worst"),
		refuse(c.Figure != 0 || c.Relation != "" || c.Unit != "" || c.Denominator.Workload != "" || c.Numerator.Variant != "",
			"a claim about the worst fate has a workload and axis values as numerator, and nothing else"),
		in("numerator", at(at(err, "workload"), "numerator")),
		refuse(err == nil && !slices.Contains(w.Units(), harness.UnitFate), "workload %s reports no fate", c.Numerator.Workload),
		in("numerator", at(checkWhere(w, c.Numerator.Where), "numerator")),
	)
}

func checkSelector(e harness.Experiment, s harness.CellSelector, unit string) error {
	w, err := e.Workload(s.Workload)
	return cmp.Or(
		at(err, "workload"),
		at(harness.Known("variant", s.Variant, e.VariantNames()), "variant"),
		harness.Known("unit", unit, w.Units()),
		checkWhere(w, s.Where),
	)
}
