// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(s streams) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "What was built, from which commit", Args: cobra.NoArgs,
		RunE: action(func(*cobra.Command, []string) error {
			version, commit := build()
			_, err := fmt.Fprintf(s.out, "kxlab %s commit %s %s %s/%s\n", version, cmp.Or(commit, "unknown"),
				runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		}),
	}
}

// revision is the commit that was built, set by the Makefile (-ldflags); else empty.
var revision string

// build is the version and the commit of this program, as far as the Makefile or the Go tool recorded them; a commit with changes on
// top ends in "+dirty".
func build() (version, commit string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", revision
	}
	if revision != "" {
		return info.Main.Version, revision
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			commit += "+dirty"
		}
	}
	return info.Main.Version, commit
}
