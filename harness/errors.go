// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrNotSupported is wrapped by errors that mean that this machine, kernel or kind of variant lacks a feature. Only such errors
// lead to OutcomeNotSupported; a program's own faults must not wrap it.
var ErrNotSupported = errors.New("not supported")

// Wrap puts the operation before an error: "set port up: permission denied". nil stays nil.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}

// FirstLine is an error as one line: of several errors the first, with the number of the others. nil stays nil.
func FirstLine(err error) error {
	if err == nil || !strings.Contains(err.Error(), "\n") {
		return err
	}
	first, rest, _ := strings.Cut(err.Error(), "\n")
	return marked{fmt.Errorf("%s (and %s more)", first, Plural(1+strings.Count(rest, "\n"), "fault")), err}
}

// ErrSetup is wrapped by errors of putting a variant in force. Where each trial puts its variant in force, it separates a
// variant that cannot be measured from an invalid trial.
var ErrSetup = errors.New("set-up failed")

// SetupError marks an error of putting a variant in force. It keeps the error's text; nil stays nil.
func SetupError(err error) error {
	if err == nil || errors.Is(err, ErrSetup) {
		return err
	}
	return marked{err, ErrSetup}
}

// Skip returns an error with the text that wraps ErrNotSupported.
func Skip(format string, args ...any) error {
	return marked{fmt.Errorf(format, args...), ErrNotSupported}
}

// A marked error wraps a mark besides, without its text.
type marked struct {
	error
	mark error
}

func (m marked) Unwrap() []error { return []error{m.error, m.mark} }

// nameRE matches names and values that the Go benchmark format can hold: no slash, space, equals sign or control character.
var nameRE = regexp.MustCompile(`^[a-zA-Z0-9._%+:]([a-zA-Z0-9._%+:-]*[a-zA-Z0-9._%+:])?$`)
var digitsRE = regexp.MustCompile(`-[0-9]+$`)

// maxName is the most characters of a name: folders and files of a run have two of them, and 255 is the most that Linux takes.
const maxName = 100

// CheckName returns an error if a name or an axis value would break the record's format. A name that ends in a hyphen
// and digits is read as a number of processors by every reader of the Go benchmark format.
func CheckName(kind, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s without a name", kind)
	case len(name) > maxName:
		return fmt.Errorf("%s %.20q…: %d characters long, at most %d", kind, name, len(name), maxName)
	case !nameRE.MatchString(name):
		return fmt.Errorf("%s %q: only letters, digits and . _ %% + : - may be used, not - at either end", kind, name)
	case digitsRE.MatchString(name):
		return fmt.Errorf("%s %q: ends in a hyphen and digits, which the benchmark format reads as GOMAXPROCS", kind, name)
	}
	return nil
}
