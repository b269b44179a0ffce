// SPDX-License-Identifier: Apache-2.0

package harness

// A TakeDownError says why a member did not go out of force as it should. The rest of its stage may be closed nevertheless.
type TakeDownError struct {
	Member string
	Err    error
}

func (e *TakeDownError) Error() string { return e.Member + ": " + e.Err.Error() }
func (e *TakeDownError) Unwrap() error { return e.Err }

// TakeDown marks an error as that of taking a member out of force; nil stays nil.
func TakeDown(member string, err error) error {
	if err == nil {
		return nil
	}
	return &TakeDownError{member, err}
}

// TakeDowns parts what errors.Join joined, at any depth: errors of members, and the others.
func TakeDowns(err error) (of []*TakeDownError, others []error) {
	switch e := err.(type) {
	case nil:
	case *TakeDownError:
		of = append(of, e)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			some, rest := TakeDowns(err)
			of, others = append(of, some...), append(others, rest...)
		}
	default:
		others = append(others, err)
	}
	return of, others
}
