// SPDX-License-Identifier: Apache-2.0

package experiments_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
)

// withCommand is the good definition with a third variant, whose last fields are given.
func withCommand(fields string) []byte {
	return []byte(strings.Replace(good, "workloads:\n", "  - {name: c, class: nat, about: a program, "+fields+"}\nworkloads:\n", 1))
}

// TestCommand: programs and files are read from the folder of the definition that names them, also if another one extends it.
func TestCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a folder")
	for name, mode := range map[string]os.FileMode{"up.sh": 0o755, "data": 0o644} {
		if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "sub", name), []byte("#!/bin/sh\n# "+name), mode); err != nil {
			t.Fatal(err)
		}
	}
	def := withCommand("attach: command, command: {up: ./up.sh, sync: ./up.sh, down: haproxy.sh, files: [./data]}")
	if err := os.WriteFile(filepath.Join(dir, "sub", "t.yaml"), def, 0o644); err != nil {
		t.Fatal(err)
	}
	child := "name: u\nextends: ./sub/t.yaml\nvariants: [{name: d, like: c}]\n"
	if err := os.WriteFile(filepath.Join(dir, "u.yaml"), []byte(child), 0o644); err != nil {
		t.Fatal(err)
	}
	e, err := experiments.Open(filepath.Join(dir, "u.yaml"), experiments.Vocabulary{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"c", "d"} {
		v, ok := harness.Find(e.Variants, func(v harness.Variant) bool { return v.Name == name })
		if !ok || v.Command == nil {
			t.Fatalf("variant %s: %+v", name, v)
		}
		var got []string
		for _, f := range v.Command.Contents {
			got = append(got, f.Name+" "+f.Mode.String()+" "+strings.SplitN(string(f.Content), "\n", 3)[1])
		}
		want := "up.sh -rwxr-xr-x # up.sh, haproxy.sh -rwxr-xr-x # SPDX-License-Identifier: Apache-2.0, data -rw-r--r-- # data"
		if strings.Join(got, ", ") != want {
			t.Errorf("variant %s has %q, want %q", name, got, want)
		}
		if i := v.Command.Interpreters(); len(i) != 3 || i[0] != "/bin/sh" {
			t.Errorf("interpreters %q", i)
		}
	}
}

// TestCommandRefuses: faults of commands that show without running anything.
func TestCommandRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"plain": 0o644, "up": 0o755} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ what, fields, want string }{
		{"no program", "attach: command", ": variant c: attach: command and command: {up: ./mine.sh} go together"},
		{"another method", "attach: xdp, command: {up: ./up}", "go together"},
		{"no up", "attach: command, command: {sync: ./up}", "up is missing"},
		{"an object", "attach: command, object: t/b, command: {up: ./up}", "neither object nor settings"},
		{"does not exist", "attach: command, command: {up: ./none}", "variant c: command: "},
		{"does not exist, by name", "attach: command, command: {up: ./none}", "none: no such file"},
		{"not executable", "attach: command, command: {up: ./plain}", "plain: not executable: chmod +x"},
		{"not a file", "attach: command, command: {up: ./}", "not a regular file"},
		{"unknown program of the lab", "attach: command, command: {up: haproxi.sh}", `unknown program of the lab "haproxi.sh", did you mean "haproxy.sh"?`},
		{"same names", "attach: command, command: {up: ./up, files: [./x/up]}", "have the same name"},
		{"a need by half a path", "attach: command, command: {up: ./up, needs: [{file: x/y}]}", `needs "x/y"`},
		{"unknown key", "attach: command, command: {upp: ./up}", `unknown key "upp", did you mean "up"?`},
		{"a word", "attach: command, command: ./up", "want keys with values"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			_, err := experiments.Parse(filepath.Join(dir, "t.yaml"), withCommand(tt.fields), experiments.Vocabulary{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), filepath.Join(dir, "t.yaml:9:")) {
				t.Errorf("error %v, want one on line 9 with %q", err, tt.want)
			}
		})
	}
}
