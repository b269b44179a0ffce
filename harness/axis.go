// SPDX-License-Identifier: Apache-2.0

package harness

// An AxisChecker is a Family that knows which values its axes can take. Definitions and flags are then checked before
// anything is set up.
type AxisChecker interface {
	// CheckAxis returns an error unless the named axis, one of Axes(), can have the value.
	CheckAxis(name, value string) error
}

// CheckAxis asks the family, if it is an AxisChecker, whether an axis can have a value.
func CheckAxis(f Family, name, value string) error {
	if c, ok := f.(AxisChecker); ok {
		return c.CheckAxis(name, value)
	}
	return nil
}
