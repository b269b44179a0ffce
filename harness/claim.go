// SPDX-License-Identifier: Apache-2.0

package harness

import "slices"

// A Claim is a published statement that cells of a run can confirm or contradict, as written in experiments/claims.yaml.
type Claim struct {
	ID         string
	Experiment string // whose cells can test it
	Text       string
	Source     string // author and publication
	URL        string `json:",omitempty"` // where the source is, https; "" if no address is known
	Measured   string // what the source measured
	// Figure is the number claimed for Numerator divided by Denominator, both in Unit. The claim holds if the quotient is
	// Relation (">=" or "<=") Figure.
	Figure      float64
	Relation    string
	Unit        string
	Numerator   CellSelector
	Denominator CellSelector
	// Worst makes it a claim about fates: the worst that any variant may have in the cells that Numerator names, which then names no
	// variant. Figure, Relation, Unit and Denominator are then empty.
	Worst string `json:",omitempty"`
	// Cannot is the reason why the claim cannot be tested here. The fields from Figure on are then empty.
	Cannot string
}

// A CellSelector names the cells of one variant under one workload that have the given axis values.
type CellSelector struct {
	Workload string
	Variant  string
	Where    []AxisValue
}

// Matches reports whether the selector selects the cell.
func (s CellSelector) Matches(c Cell) bool {
	differs := func(a AxisValue) bool { return c.Axis(a.Name) != a.Value }
	return c.Workload == s.Workload && c.Variant == s.Variant && !slices.ContainsFunc(s.Where, differs)
}

// A Law is a figure that theory predicts for a cell: a closed form with its source, and a tolerance that is set beforehand. The
// median of the cell must lie within the tolerance, that of a control outside.
type Law struct {
	Name     string
	About    string
	Source   string // of the claim; empty: the formula's
	Workload string
	Where    []AxisValue // together with a variant, exactly one cell
	Unit     string
	Variants []string // each is tested by itself
	Formula  string   // a name in package law
	Params   []LawParam
	// Tolerance is how far the median may be from the prediction, as a part of it.
	Tolerance float64
	// Side is LawMost if the prediction is an upper bound, LawLeast if it is a lower one, empty if neither.
	Side string
}

// The sides of a law.
const (
	LawMost  = "most"
	LawLeast = "least"
)

// A LawParam is a parameter of a formula: a number, an axis of the cell, or another unit's median in the same cell, times
// Scale.
type LawParam struct {
	Name  string
	Value float64
	Axis  string
	Unit  string
	Scale float64 // 0: 1
}

// A Score is a threshold that a variant is expected to meet, declared beside the experiment and checked like a test.
type Score struct {
	Name     string
	About    string // what it stands for: throughput, round trip, loss avoidance, fairness, convergence
	Workload string
	Where    []AxisValue // together with the variant, exactly one cell
	Unit     string
	Variant  string
	// Over, when not empty, makes the score the variant's value divided by this one's in the same cell.
	Over string
	// Least and Most are the bounds of the median; at least one is there.
	Least, Most *float64
}
