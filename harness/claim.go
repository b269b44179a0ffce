// SPDX-License-Identifier: Apache-2.0

package harness

// A Claim is something that others have said and that cells of a run may speak to, as written in
// experiments/claims.yaml.
type Claim struct {
	ID         string
	Experiment string // whose cells speak to it
	Text       string // what is said
	Source     string // who says so, and where
	Measured   string // what was really measured there
	// Figure is the number claimed for Numerator divided by Denominator, both in Unit; Relation says on which side of
	// it the quotient lies if the claim holds: ">=" or "<=".
	Figure      float64
	Relation    string
	Unit        string
	Numerator   CellSelector
	Denominator CellSelector
	// Cannot says why it cannot be tested here. The fields from Figure on are then empty.
	Cannot string
}

// A CellSelector names the cells of one variant under one workload that have the given axis values.
type CellSelector struct {
	Workload string
	Variant  string
	Where    []AxisValue
}

// Matches tells whether the selector selects the cell.
func (s CellSelector) Matches(c Cell) bool {
	if c.Workload != s.Workload || c.Variant != s.Variant {
		return false
	}
	for _, a := range s.Where {
		if c.Axis(a.Name) != a.Value {
			return false
		}
	}
	return true
}
