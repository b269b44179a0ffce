// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// Exit codes; docs/design.md has their table.
const (
	codeDone       = 0
	codeFailed     = 1 // an error, such as in a program or a file, or a cell that failed or is invalid
	codeUsage      = 2 // wrong usage: flags, words, definitions, settings, inputs
	codeRegression = 3 // compare --gate found a regression, or a cell missing, or could judge nothing
	codeNothing    = 4 // this machine, user or kernel lacks what all of it needs
)

// An exitError is an error with its exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usage gives an error codeUsage. A file or folder that is missing or cannot be read is no wrong usage, whatever names it: a word of the command
// line, a setting or a definition.
func usage(err error) error {
	var file *sys.FileError
	var path *fs.PathError
	if errors.As(err, &file) || errors.As(err, &path) {
		return withCode(codeFailed, err)
	}
	return withCode(codeUsage, err)
}

func unsupported(err error) error { return withCode(codeNothing, err) }

// withCode gives an error an exit code unless it has one.
func withCode(code int, err error) error {
	var have *exitError
	if err == nil || errors.As(err, &have) {
		return err
	}
	return &exitError{code: code, err: err}
}

// codeOf is the exit code of a command's error: its own, else codeNothing if it wraps harness.ErrNotSupported, else codeFailed. A fault
// that is joined with something that is lacking needs a code of its own.
func codeOf(err error) int {
	var have *exitError
	switch {
	case err == nil:
		return codeDone
	case errors.As(err, &have):
		return have.code
	case errors.Is(err, harness.ErrNotSupported):
		return codeNothing
	}
	return codeFailed
}

// action gives a command's errors their exit codes. Errors of cobra, such as an unknown flag or command, are wrong usage.
func action(f func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := f(cmd, args)
		return withCode(codeOf(err), err)
	}
}

// end prints an error and returns the exit code.
func end(s streams, cmd *cobra.Command, err error) int {
	if err == nil {
		return codeDone
	}
	code := codeUsage
	var e *exitError
	if errors.As(err, &e) {
		code = e.code
	}
	s.note("%s", errorText(err))
	if code == codeUsage {
		fmt.Fprintf(s.err, "See '%s --help'.\n", cmd.CommandPath())
	}
	return code
}

// errorText is an error's text. An interrupted command says so once, however many of its parts were.
func errorText(err error) string {
	text := err.Error()
	if !errors.Is(err, context.Canceled) {
		return text
	}
	var lines []string
	said := false
	for _, line := range strings.Split(text, "\n") {
		if strings.HasSuffix(line, context.Canceled.Error()) { // the first says what was interrupted, the others where that met it
			if said {
				continue
			}
			said = true
		}
		lines = append(lines, strings.ReplaceAll(line, context.Canceled.Error(), "interrupted"))
	}
	return strings.Join(lines, "\n")
}

// worst joins the errors of the runs. Those of runs without a supported cell count only if there is no other run.
func worst(errs []error) error {
	idle := func(err error) bool { return codeOf(err) == codeNothing }
	failed := harness.Filter(errs, func(err error) bool { return err != nil && !idle(err) })
	switch {
	case len(failed) > 0:
		return withCode(codeFailed, errors.Join(failed...))
	case harness.Count(errs, idle) == len(errs):
		return unsupported(errors.Join(errs...))
	}
	return nil
}
