// SPDX-License-Identifier: Apache-2.0

package harness

// An axisChecker is a Family that knows which values its axes can take. Definitions and flags are then checked before
// anything is set up.
type axisChecker interface {
	// CheckAxis returns an error unless the named axis, one of Axes(), can have the value.
	CheckAxis(name, value string) error
}

// CheckAxis asks the family, if it is an axisChecker, whether an axis can have a value.
func CheckAxis(f Family, name, value string) error {
	if c, ok := f.(axisChecker); ok {
		return c.CheckAxis(name, value)
	}
	return nil
}

// A configurable is a Family some of whose methods offer settings.
type configurable interface {
	// Settings are the values of each setting of each method that has any.
	Settings() map[string]map[string][]string
}

// Settings asks the family, if it is configurable, for the values of each setting of a method.
func Settings(f Family, method string) map[string][]string {
	if c, ok := f.(configurable); ok {
		return c.Settings()[method]
	}
	return nil
}
