// SPDX-License-Identifier: Apache-2.0

// Command kxlab compares implementations of kernel extensions: it puts each in force, checks that it works, measures it, and
// reports the differences with their confidence.
//
// This package connects the others: one file a command, each with a constructor and no global state. Results go to standard
// output, everything else to standard error. Exit codes are in exit.go, settings in config.go.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/family"
	"github.com/kxlab/kxlab/harness/load"
	"github.com/kxlab/kxlab/vm"
)

func main() { program(vocabulary()) }

// program is main with the families whose words definitions may use.
func program(words experiments.Vocabulary) {
	if len(os.Args) > 1 && os.Args[1] == load.Command { // a load of the lab, without the rest of the program
		os.Exit(load.Main(os.Args[2:]))
	}
	vm.Guest() // does not return in a guest
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	var atOnce atomic.Bool
	go func() {
		<-signals
		if atOnce.Load() {
			fmt.Fprintln(os.Stderr, "\nkxlab: interrupted")
			os.Exit(codeFailed)
		}
		fmt.Fprintln(os.Stderr, "\nkxlab: stopping and tidying up; once more to stop at once and leave that to kxlab clean")
		cancel()
		<-signals
		os.Exit(codeFailed)
	}()
	code := run(ctx, streams{out: os.Stdout, err: os.Stderr, columns: columns(os.Stderr), width: width(os.Stdout), colour: colours(os.Stdout), atOnce: &atOnce}, words, os.Args[1:])
	cancel()
	os.Exit(code)
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, s streams, words experiments.Vocabulary, args []string) int {
	root := newRoot(s, words)
	if cmd, err := helpOf(root, args); err != nil {
		return end(s, cmd, err)
	}
	root.SetArgs(args)
	ctx = cache.WithNote(ctx, func(text string) { s.note("%s", text) })
	cmd, err := root.ExecuteContextC(ctx)
	return end(s, cmd, err)
}

const rootLong = `kxlab is a laboratory for kernel extensions: it builds network namespaces of its own, puts each competing
implementation in force, proves that each does its job, drives traffic through it, and says what differs, by how much,
and how sure it is.

Every flag can also be set in the environment (--min-effect is KXLAB_MIN_EFFECT) or in kxlab.yaml in the current folder
(min-effect: 2%). Flags win over the environment, and that over the file.

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 a gate (--gate) did not pass; 4 this machine,
user or kernel lacks what all of it needs.`

// newRoot returns the command tree.
func newRoot(s streams, words experiments.Vocabulary) *cobra.Command {
	root := &cobra.Command{
		Use: "kxlab", Short: "A laboratory for kernel extensions", Long: rootLong,
		SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd); err != nil {
				return usage(err)
			}
			if dir, _ := cmd.Flags().GetString("cache"); dir != "" {
				return os.Setenv(cache.Env, dir)
			}
			return nil
		},
	}
	root.SetFlagErrorFunc(flagError)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.PersistentFlags().String("config", "", "read settings from this file (default kxlab.yaml, if it is there)")
	root.PersistentFlags().String("cache", "", "keep kernels and guest images here (default kxlab in the user's cache folder)")
	root.AddCommand(newDoctor(s), newList(s, words), newRun(s, words), newBench(s, words), newAB(s, words), newInit(s, words), newInclude(s), newCompare(s), newReport(s), newSite(s), newHistory(s), newExport(s), newBisect(s, words), newPlan(s, words), newMerge(s, words), newClean(s), newVM(s), newVersion(s), newInside(s, words.Families), newSymbols(s))
	nameArgs(root)
	return root
}

// helpOf returns an error if help is asked for of a command that there is not: cobra would show that of the command above.
func helpOf(root *cobra.Command, args []string) (*cobra.Command, error) {
	cmd, rest, err := root.Find(args)
	help := slices.Contains(rest, "--help") || slices.Contains(rest, "-h")
	if err != nil || !help || !cmd.HasSubCommands() || strings.HasPrefix(rest[0], "-") {
		return cmd, nil
	}
	return cmd, cmd.ValidateArgs(rest[:1])
}

// vocabulary holds the families, whose words definitions may use.
func vocabulary() experiments.Vocabulary {
	return experiments.Vocabulary{Families: family.All(bpfobj.Options{})}
}

// open reads an experiment by its name or path. Its errors are wrong usage.
func open(name string, words experiments.Vocabulary) (harness.Experiment, error) {
	e, err := experiments.Open(name, words)
	return e, usage(err)
}

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
