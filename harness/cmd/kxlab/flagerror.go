// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

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

// optionalRE finds the words of a command's use that may be left out.
var optionalRE = regexp.MustCompile(`\[[^]]*\]`)

// nameArgs has a command and those below it say which words are missing or too many, by the words of its use, and which command may be meant.
func nameArgs(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		nameArgs(sub)
	}
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) == nil {
			return nil
		}
		if cmd.HasSubCommands() {
			shown := harness.Filter(cmd.Commands(), (*cobra.Command).IsAvailableCommand)
			return harness.Known("command of "+cmd.CommandPath(), args[0], harness.Map(shown, (*cobra.Command).Name))
		}
		_, words, _ := strings.Cut(cmd.Use, " ")
		use := strings.TrimSpace(cmd.CommandPath() + " " + words)
		need := harness.Filter(strings.Fields(optionalRE.ReplaceAllString(words, "")), func(w string) bool { return w != "--" })
		if len(args) < len(need) {
			return fmt.Errorf("missing: %s; want %s", strings.Join(need[len(args):], " "), use)
		}
		return fmt.Errorf("too many words, the last %q; want %s", args[len(args)-1], use)
	}
}
