// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
)

const initLong = `init writes a starting point into a folder: a small program that compiles (NAME.bpf.c), a definition that compares it with
two of the lab's (NAME.yaml), a Makefile, a .gitignore for results, and the headers (include/). For a program by itself, family prog, it also describes
what the program gets (NAME-input.yaml). No file is ever overwritten.`

const initExample = `  kxlab init sched mine
  cd mine
  $EDITOR mine.bpf.c
  kxlab ab eevdf mine.bpf.c

  kxlab init prog filter
  cd filter
  make`

// A start is what a starting point of a family needs beside its program.
type start struct {
	family, against, like string // against: the variant that its Makefile compares it with
	keep                  []string
	flags                 string // of ab, behind A and B; NAME is the program's name
	versions              string // the same where A and B are versions of the program
}

// command is the command line that compares the program.
func (st start) command(name string) string {
	return strings.ReplaceAll(strings.TrimSpace(fmt.Sprintf("kxlab ab %s NAME.bpf.c %s", st.against, st.flags)), "NAME", name)
}

// edited is the command line that compares the program with its last committed version.
func (st start) edited(name string) string {
	return strings.ReplaceAll(strings.TrimSpace("kxlab ab HEAD:NAME.bpf.c NAME.bpf.c "+st.versions), "NAME", name)
}

// starts are the families that have a starting point.
func starts() []start {
	return []start{
		{"sched", "eevdf", "scx-fifo", []string{"eevdf", "scx-fifo"}, "", ""},
		{"cc", "bpf-reno", "bpf-reno", []string{"cubic", "bpf-reno"}, "", ""},
		{"lb", "xdp-dsr", "xdp-dsr", []string{"xdp-dsr", "xdp-tx"}, "", "--like xdp-dsr"},
		{"prog", "return", "count-array", []string{"return", "count-array"}, "--input NAME-input.yaml --allow-difference", "--input NAME-input.yaml"},
	}
}

func newInit(s streams, words experiments.Vocabulary) *cobra.Command {
	families := harness.Map(starts(), func(st start) string { return st.family })
	return &cobra.Command{
		Use: "init FAMILY NAME [DIR]", Short: "Write a starting point for a program of your own", Long: initLong, Example: initExample,
		Args: cobra.RangeArgs(2, 3), ValidArgs: families,
		RunE: action(func(_ *cobra.Command, args []string) error {
			if err := harness.Known("family with a starting point", args[0], families); err != nil {
				return usage(err)
			}
			st, _ := harness.Find(starts(), func(st start) bool { return st.family == args[0] })
			if err := checkOwnName(words, st, args[1]); err != nil {
				return usage(err)
			}
			dir := args[1]
			if len(args) == 3 {
				dir = args[2]
			}
			files, err := st.files(args[1])
			if err != nil {
				return err
			}
			if _, err := os.Lstat(filepath.Join(dir, ignoreFile)); err == nil { // a repository's own
				delete(files, ignoreFile)
			}
			if err := writeNew(dir, files); err != nil {
				return err
			}
			err = s.say("%s is written. Next:\n\n  cd %s\n  $EDITOR %s.bpf.c\n  %s\n\nAnd, in a git repository, against its last commit:\n\n  %s\n",
				dir, dir, args[1], st.command(args[1]), st.edited(args[1]))
			return err
		}),
	}
}

var ownNameRE = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_-]*$`)

// checkOwnName returns an error if a program cannot be called so.
func checkOwnName(words experiments.Vocabulary, st start, name string) error {
	if !ownNameRE.MatchString(name) {
		return fmt.Errorf("name %q: want letters, digits, _ and -, a letter first", name)
	}
	if err := harness.CheckName("name", name); err != nil {
		return err
	}
	e, err := open(st.family, words)
	if err == nil && harness.Known("variant", name, e.VariantNames()) == nil {
		err = fmt.Errorf("name %q: the lab has a variant of that name", name)
	}
	return err
}

const ignoreFile = ".gitignore"

// files are the starting point's files by their paths.
func (st start) files(name string) (map[string]string, error) {
	program, err := bpf.Start(st.family)
	if err != nil {
		return nil, err
	}
	files := map[string]string{
		name + ".bpf.c": strings.ReplaceAll(string(program), "NAME", name),
		name + ".yaml": fmt.Sprintf(`# kxlab run ./%s.yaml --profile smoke; every field is in kxlab's docs/definitions.md
name: %[1]s
extends: %s
keep: [%s]
variants:
  - name: %[1]s
    like: %[4]s
    source: ./%[1]s.bpf.c
    about: say here what it is and what extra work it does
`, name, st.family, strings.Join(st.keep, ", "), st.like),
		ignoreFile: "results/*\n!results/history/\n", // kxlab's runs; a history belongs into the repository
		"Makefile": fmt.Sprintf(".PHONY: ab\nab: # is %s better than %s?\n\t%s\n", name, st.against, st.command(name)),
	}
	in, err := bpf.StartInput(st.family)
	if err != nil {
		return nil, err
	}
	if in != nil {
		files[name+"-input.yaml"] = strings.ReplaceAll(string(in), "NAME", name)
	}
	headers, err := bpf.Headers()
	if err != nil {
		return nil, err
	}
	for path, text := range headers {
		files[filepath.Join("include", path)] = text
	}
	return files, nil
}

// writeNew writes files into a folder, which it makes. If one of them is there already, none is written.
func writeNew(dir string, files map[string]string) error {
	for path := range files {
		path = filepath.Join(dir, path)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = errThere
			}
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	for path, text := range files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		if err := errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(path) // a part of a file would be in the way of the next try
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}

func newInclude(s streams) *cobra.Command {
	return &cobra.Command{
		Use: "include [DIR]", Short: "Print a folder with the headers that the lab's programs include, for clang -I; or write them to DIR",
		Example: "  clang -O2 -g -target bpf -mcpu=v3 -I$(kxlab include) -idirafter /usr/include/$(uname -m)-linux-gnu -c mine.bpf.c -o mine.bpf.o",
		Args:    cobra.MaximumNArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			headers, err := bpf.Headers()
			if err != nil {
				return err
			}
			var dir string
			if len(args) == 1 {
				dir = args[0]
				err = writeNew(dir, headers)
			} else {
				dir, err = keptHeaders(cmd.Context(), headers)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(s.out, dir)
			return err
		}),
	}
}

// keptHeaders is a folder in the cache with these headers.
func keptHeaders(ctx context.Context, headers map[string]string) (string, error) {
	sum := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(headers)) {
		fmt.Fprintf(sum, "%q %q\n", path, headers[path])
	}
	dir, err := cache.Dir("include", fmt.Sprintf("%x", sum.Sum(nil)[:8]))
	if err != nil {
		return "", err
	}
	for path, text := range headers {
		have, err := os.ReadFile(filepath.Join(dir, path))
		if err == nil && string(have) == text {
			continue
		}
		if err == nil {
			cache.Damaged(ctx, "the header "+filepath.Join(dir, path), errors.New("its content is another"), "it is written anew")
		}
		if err := cache.WriteFile(filepath.Join(dir, path), func(f *os.File) error { _, err := f.WriteString(text); return err }); err != nil {
			return "", err
		}
	}
	return dir, nil
}
