// SPDX-License-Identifier: Apache-2.0

package harness

// A Law is a figure that theory predicts for a cell: a closed form with its source, and a tolerance that is set beforehand. A
// run that has the cell is held against it; a variant that is a control must break it.
type Law struct {
	Name     string
	About    string
	Source   string // of the claim; empty: the formula's
	Workload string
	Where    []AxisValue // together with a variant, exactly one cell
	Unit     string
	Variants []string // each is held against the law by itself
	Formula  string   // a name in package law
	Params   []LawParam
	// Tolerance is how far the median may be from the prediction, as a part of it.
	Tolerance float64
	// Side says that a deviation counts on one side only: LawMost if the median may be as small as it likes, LawLeast if it may
	// be as large. Empty: both count.
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
