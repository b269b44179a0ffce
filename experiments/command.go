// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"cmp"
	"embed"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// scripts are the lab's own programs for attach: command.
//
//go:embed commands
var scripts embed.FS

const scriptFolder = "commands"

// maxCommand bounds the size of a program or file of a command, bytes, and maxCommands that of all of a variant: they go into guests
// with the job.
const (
	maxCommand  = 32 << 20
	maxCommands = 48 << 20
)

// isOwnPath reports whether a path of a command is the user's and not the name of one of the lab's own programs.
func isOwnPath(name string) bool {
	return strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") || filepath.IsAbs(name)
}

// commandKeys are the keys whose values are programs.
var commandKeys = []string{"up", "sync", "flush", "down"}

// placeCommand makes the paths of a variant's command start at the folder that the program stands in.
func (t *tree) placeCommand(f *file, variant *yaml.Node) {
	old := value(variant, "command")
	if old == nil || target(old).Kind != yaml.MappingNode {
		return
	}
	place := func(n *yaml.Node) *yaml.Node {
		if target(n).Kind != yaml.ScalarNode || !isOwnPath(target(n).Value) {
			return n
		}
		placed := *target(n)
		placed.Value, placed.Line, placed.Column = f.beside(placed.Value), n.Line, n.Column
		t.files[&placed] = f
		return &placed
	}
	command := t.without(old)
	for _, key := range commandKeys {
		if n := value(command, key); n != nil {
			set(command, key, place(n))
		}
	}
	if list := value(command, "files"); list != nil && target(list).Kind == yaml.SequenceNode {
		set(command, "files", t.list(list, harness.Map(target(list).Content, place)))
	}
	set(variant, "command", command)
}

// checkCommand checks a variant's command.
func checkCommand(v harness.Variant) error {
	takes, c := v.Attach == harness.AttachCommand, v.Command
	if !takes || c == nil {
		return refuse(takes != (c != nil), "attach: command and command: {up: ./mine.sh} go together")
	}
	base := map[string]string{}
	return cmp.Or(
		refuse(v.Object != "" || v.Source != "" || len(v.Settings) > 0, "attach: command has neither object nor settings: its programs load what they need"),
		at(refuse(c.Up == "", "up is missing: the program that puts the variant in force"), "up"),
		first(c.Paths(), func(p string) error {
			other := base[path.Base(p)]
			base[path.Base(p)] = p
			return refuse(other != "", "%s and %s have the same name: they are laid into one folder", other, p)
		}),
		at(first(c.Needs, func(n harness.Need) error {
			return refuse(n.File == "" || strings.Contains(n.File, "/") && !filepath.IsAbs(n.File), "needs %q: want the name of a program, or a path from /", n.File)
		}), "needs"),
	)
}

// readCommands reads the programs and files of the variants' commands.
func (t *tree) readCommands(e *harness.Experiment) error {
	for i := range e.Variants {
		v := &e.Variants[i]
		if v.Command == nil {
			continue
		}
		c := *v.Command
		c.Contents = nil
		size := 0
		for _, p := range c.Paths() {
			f, err := readCommand(p, slices.Contains(c.Programs(), p))
			if err == nil {
				size += len(f.Content)
				err = refuse(size > maxCommands, "its programs and files have more than %d MiB", maxCommands>>20)
			}
			if err != nil {
				return in("variant "+v.Name, at(in("command", err), "variants", i, "command"))
			}
			c.Contents = append(c.Contents, f)
		}
		v.Command = &c
	}
	return nil
}

// readCommand reads a program or file, one of the lab's own or of the user's.
func readCommand(name string, program bool) (harness.CommandFile, error) {
	f := harness.CommandFile{Name: path.Base(name), Mode: 0o755}
	if !isOwnPath(name) {
		raw, err := scripts.ReadFile(scriptFolder + "/" + name)
		if err != nil {
			err = fmt.Errorf("%w; paths of your own begin with ./ or /", harness.Known("program of the lab", name, scriptNames()))
		}
		f.Content = raw
		return f, err
	}
	st, err := os.Stat(name)
	if err != nil {
		return f, sys.Missing("file", name, err)
	}
	if f.Mode = st.Mode().Perm(); program && st.Mode().IsRegular() && f.Mode&0o111 == 0 {
		return f, &sys.FileError{Path: name, Why: "not executable: chmod +x makes it so"}
	}
	f.Content, err = sys.ReadRegular(name, maxCommand)
	return f, err
}

// scriptNames lists the lab's own programs, sorted.
func scriptNames() []string {
	entries, _ := scripts.ReadDir(scriptFolder) // an embedded folder can always be read
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}
