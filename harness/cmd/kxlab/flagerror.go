// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kxlab/kxlab/harness"
)

// flagError says of an error of reading a command line what the flag wants, or which flag may be meant.
func flagError(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &bad):
		return fmt.Errorf("--%s: %w", bad.GetFlag().Name, valueError(bad.GetFlag(), bad.GetValue(), bad.Unwrap()))
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if near := harness.Closest(unknown.GetSpecifiedName(), known); near != "" {
			return fmt.Errorf("%w, did you mean --%s?", err, near)
		}
	}
	return err
}

// wants is what a flag's value may be, with examples, by its type.
var wants = map[string]string{
	"int": "a whole number, such as 5", "int64": "a whole number, such as 512", "uint64": "a whole number of 0 or more, such as 1",
	"duration": "a time with its unit, such as 30s or 2m", "bool": "true or false", "stringSlice": "words with commas between them, such as a,b",
}

// valueError says of a value that a flag does not take what it takes. cause is the library's error.
func valueError(f *pflag.Flag, value string, cause error) error {
	want, ok := wants[f.Value.Type()]
	switch {
	case !ok:
		return fmt.Errorf("%q: %w", value, cause)
	case errors.Is(cause, strconv.ErrRange):
		return fmt.Errorf("%q is too large or too small a number", value)
	}
	return fmt.Errorf("%q is not %s", value, want)
}
