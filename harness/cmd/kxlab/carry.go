// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/vm"
)

// carry adds to a guest the interpreters, programs and files of this machine that the commands of variants need. A missing one is left out: only the
// variants that need it are not supported.
func (g *guests) carry(c *vm.Cmd, variants []harness.Variant) {
	for _, v := range variants {
		if v.Command == nil {
			continue
		}
		for _, n := range needs(v.Command) {
			switch {
			case !strings.Contains(n, "/"):
				if !slices.Contains(c.Tools, n) && !vm.NoTool(n) {
					c.Tools = append(c.Tools, n)
				}
			case g.virtme: // it is there
			default:
				if st, err := os.Stat(n); err != nil || !st.Mode().IsRegular() {
					continue
				}
				if !vm.NoTool(n) { // a program: with its libraries
					if !slices.Contains(c.Tools, n) {
						c.Tools = append(c.Tools, n)
					}
					continue
				}
				c.Files[n] = vm.File{Source: n}
			}
		}
	}
}

// needs are the names of programs and the absolute paths of files that a command's programs use, interpreters among them. A program of the user's that
// is no script is named by its own path, for its libraries' sake.
func needs(c *harness.Command) (out []string) {
	out = c.Interpreters()
	for _, n := range c.Needs {
		out = append(out, n.File)
	}
	for _, p := range c.Programs() {
		f, ok := harness.Find(c.Contents, func(f harness.CommandFile) bool { return f.Name == filepath.Base(p) })
		if abs, err := filepath.Abs(p); ok && err == nil && strings.HasPrefix(string(f.Content[:min(4, len(f.Content))]), "\x7fELF") {
			out = append(out, abs)
		}
	}
	return out
}
