// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

const (
	configFile = "kxlab.yaml"
	envPrefix  = "KXLAB"
	maxConfig  = 1 << 20 // bytes
)

// configure sets each flag that is not on the command line from the environment, or else from the file. A setting that is no flag
// of any command is an error.
func configure(cmd *cobra.Command) error {
	if inCompletion(cmd) {
		return nil
	}
	known := allFlags(cmd.Root())
	if err := checkEnv(known); err != nil {
		return err
	}
	v := viper.NewWithOptions(viper.KeyDelimiter("\x00"), viper.EnvKeyReplacer(strings.NewReplacer("-", "_")))
	v.SetEnvPrefix(envPrefix)
	v.AutomaticEnv()
	if err := v.BindPFlags(cmd.Flags()); err != nil {
		return fmt.Errorf("bind flags: %w", err)
	}
	if err := readConfig(v, v.GetString("config"), known); err != nil {
		return err
	}
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if err == nil && !f.Changed && v.IsSet(f.Name) && fmt.Sprint(v.Get(f.Name)) != f.DefValue {
			err = set(f, v)
		}
		if list, ok := f.Value.(pflag.SliceValue); err == nil && ok && f.Changed && len(list.GetSlice()) == 0 {
			err = usage(fmt.Errorf("--%s: no value; leave it out to have the default", f.Name)) // such as a variable of a script that is not set
		}
	})
	return err
}

// readConfig reads the named file; without a name kxlab.yaml, if it exists.
func readConfig(v *viper.Viper, path string, known []string) error {
	named := path != ""
	if !named {
		path = configFile
	}
	file := viper.NewWithOptions(viper.KeyDelimiter("\x00"))
	file.SetConfigType("yaml")
	raw, err := sys.ReadRegular(path, maxConfig)
	switch {
	case !named && errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("read settings: %w", err)
	}
	if err := file.ReadConfig(bytes.NewReader(raw)); err != nil {
		return fmt.Errorf("read settings: %s: not YAML, such as \"profile: quick\": %s", path, yamlText(err))
	}
	if line, err := harness.SecondDocument(raw); err != nil {
		return fmt.Errorf("read settings: %s: line %d: %w", path, line, err)
	}
	for _, key := range slices.Sorted(slices.Values(file.AllKeys())) {
		if err := harness.Known("setting", key, known); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return v.MergeConfigMap(file.AllSettings())
}

// yamlText is the text of an error of reading YAML without the names of the libraries that it passed.
func yamlText(err error) string {
	text := err.Error()
	if at := strings.LastIndex(text, "yaml: "); at >= 0 {
		text = text[at+len("yaml: "):]
	}
	return text
}

// checkEnv checks that every variable KXLAB_… is a flag.
func checkEnv(known []string) error {
	vars := harness.Map(known, func(k string) string { return envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(k, "-", "_")) })
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, envPrefix+"_") {
			if err := harness.Known("environment variable", name, vars); err != nil {
				return err
			}
		}
	}
	return nil
}

// allFlags lists the flags of all commands, sorted.
func allFlags(cmd *cobra.Command) []string {
	var names []string
	add := func(f *pflag.Flag) {
		if f.Name != "help" {
			names = append(names, f.Name)
		}
	}
	cmd.Flags().VisitAll(add)
	cmd.PersistentFlags().VisitAll(add)
	for _, sub := range cmd.Commands() {
		if !inCompletion(sub) {
			names = append(names, allFlags(sub)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// set sets a flag from the settings. A list may be a YAML list, or words separated by spaces.
func set(f *pflag.Flag, v *viper.Viper) error {
	var err error
	if list, ok := f.Value.(pflag.SliceValue); ok {
		var words []string
		for _, w := range v.GetStringSlice(f.Name) {
			if f.Value.Type() == "stringSlice" {
				words = append(words, strings.Split(w, ",")...)
			} else {
				words = append(words, w)
			}
		}
		err = list.Replace(words)
	} else {
		err = f.Value.Set(v.GetString(f.Name))
	}
	if err != nil {
		return fmt.Errorf("setting %s: %w", f.Name, valueError(f, v.GetString(f.Name), err))
	}
	f.Changed = true
	return nil
}

// inCompletion reports whether the command is cobra's own.
func inCompletion(cmd *cobra.Command) bool {
	for c := cmd; c != nil; c = c.Parent() {
		if c.Name() == "completion" || c.Name() == "help" || strings.HasPrefix(c.Name(), "__complete") {
			return true
		}
	}
	return false
}
