// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/history"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/source"
)

const historyLong = `history says at which commits figures changed: of what was recorded by history add, every step of every cell, grouped by
commit, the newest first. It reads a folder with a file for each commit, which belongs into the repository.

On target exact a step is seen at the commit that makes it, the newest too, from 0.5 % on. Elsewhere steps of the medians are found
by E-divisive, with the commits after them. Where the kernel or QEMU changed between two commits, it is said; such a step is no regression.
Commits are ordered by the repository that one stands in: its first-parent line up to --to. Without a repository, by their times.`

const historyAddLong = `history add keeps what complete runs measured at a commit: a file for each commit, in the Go benchmark format, written as a whole or
not at all. The commit is the one that --commit names in the repository that one stands in, such as HEAD; without, the one that the
run itself names, which is that of the lab.`

// ownHistory is where the lab keeps its own.
const ownHistory = "results/history"

func newHistory(s streams) *cobra.Command {
	var dir, to, format, series, exact, noisy string
	var all, gate bool
	var o history.Options
	cmd := &cobra.Command{
		Use: "history", Short: "At which commits did figures change", Long: historyLong, Args: cobra.NoArgs,
		Example: `  kxlab history
  kxlab history --series 'xdp-nat insn/pkt'
  kxlab history --gate --to HEAD --format markdown
  kxlab history add results/scratch/run-1 --commit HEAD`,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			if err := harness.Known("format", format, page.Formats()); err != nil {
				return usage(err)
			}
			for name, least := range map[string]struct {
				text string
				into *float64
			}{"min-effect": {exact, &o.Exact}, "min-effect-noisy": {noisy, &o.Noisy}} {
				if least.text == "" {
					continue
				}
				var err error
				if *least.into, err = share(least.text); err != nil {
					return usage(fmt.Errorf("--%s: %w", name, err))
				}
			}
			if format == "json" && cmd.Flags().Changed("series") {
				return usage(errors.New("--series writes text or markdown; --format json has the changes"))
			}
			s.endAtOnce()
			l, damaged := openHistory(cmd.Context(), dir, to)
			if len(l.Entries) == 0 {
				return damaged
			}
			if cmd.Flags().Changed("series") {
				chosen := func(set history.Setting, n history.Series) bool {
					for _, word := range strings.Fields(series) {
						if !strings.Contains(n.Cell+" "+n.Unit+" "+set.String(), word) {
							return false
						}
					}
					return true
				}
				return errors.Join(page.WriteSeries(s.out, l, chosen, format), damaged)
			}
			changes := l.Changes(o)
			if err := page.WriteHistory(s.out, l, changes, format, all); err != nil {
				return err
			}
			if gate && damaged == nil {
				return gateOf(l, changes)
			}
			return damaged
		}),
	}
	f := cmd.Flags()
	f.StringVar(&to, "to", "HEAD", "the last commit of the line")
	f.StringVar(&format, "format", "text", "text, markdown or json")
	f.StringVar(&series, "series", "", "write the series whose names have these words, commit by commit, instead of changes")
	f.BoolVar(&all, "all", false, "write all steps of each change")
	f.BoolVar(&gate, "gate", false, "exit with 3 if the newest measured commit has a step for the worse, or lacks a series")
	f.StringVar(&exact, "min-effect", "", "smallest step on target exact: 1% or 0.01 (default 0.5%)")
	f.StringVar(&noisy, "min-effect-noisy", "", "smallest step on other targets (default 3%)")
	cmd.PersistentFlags().StringVar(&dir, "history", ownHistory, "the folder of the history")
	cmd.AddCommand(newHistoryAdd(s, &dir))
	return cmd
}

// openHistory reads a history along the repository's line of commits. The error is beside the line: files that are damaged, or why there is no line.
func openHistory(ctx context.Context, dir, to string) (history.Line, error) {
	entries, err := history.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return history.Line{}, fmt.Errorf("open history: there is no folder %s: kxlab history add makes it, or name another with --history", dir)
	}
	if len(entries) == 0 {
		return history.Line{}, err
	}
	notes, notesErr := history.Notes(dir)
	err = errors.Join(err, notesErr)
	commits, lineErr := source.LineOf(ctx, ".", to)
	switch {
	case errors.Is(lineErr, source.ErrNoRepository):
		l := history.ByTime(entries)
		l.Annotate(notes)
		l.Remarks = append([]string{"this folder is in no git repository: commits are in the order of their times"}, l.Remarks...)
		return l, err
	case lineErr != nil:
		return history.Line{}, usage(errors.Join(lineErr, err))
	}
	l := history.Along(entries, commits)
	if len(l.Entries) == 0 {
		return l, errors.Join(fmt.Errorf("open history: none of the %s is on the line of commits up to %s; name another with --to", harness.Plural(len(entries), "commit"), to), err)
	}
	l.Annotate(notes)
	return l, err
}

// gateOf is the error of a history whose newest commit is worse; nil if it is not. A step together with another kernel or QEMU passes.
func gateOf(l history.Line, changes []history.Change) error {
	for _, c := range changes {
		if c.At == len(l.Entries)-1 && (c.Worse() > 0 && len(c.Environment) == 0 || len(c.Vanished) > 0) {
			return withCode(codeRegression, fmt.Errorf("history: %s: %s for the worse, %d series vanished", page.ChangeTitle(l, c), harness.Plural(c.Worse(), "step"), len(c.Vanished)))
		}
	}
	return nil
}

func newHistoryAdd(s streams, dir *string) *cobra.Command {
	var revision string
	var replace bool
	cmd := &cobra.Command{
		Use: "add RUN...", Short: "Keep what runs measured at a commit", Long: historyAddLong, Args: cobra.MinimumNArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			var errs []error
			for _, run := range args {
				e, err := addRun(cmd.Context(), s, *dir, run, revision, replace)
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", run, err))
					continue
				}
				errs = append(errs, s.say("%s is kept at %.12s %s: %s\n", run, e.Commit, e.Subject, filepath.Join(*dir, e.Commit+".txt")))
			}
			return errors.Join(errs...)
		}),
	}
	cmd.Flags().StringVar(&revision, "commit", "", "the commit that was measured (default: the one that the run names)")
	cmd.Flags().BoolVar(&replace, "replace", false, "replace a run of the same commit and setting")
	return cmd
}

// addRun adds one run.
func addRun(ctx context.Context, s streams, dir, path, revision string, replace bool) (history.Entry, error) {
	r, err := openRun(s, path)
	if err != nil {
		return history.Entry{}, err
	}
	run, err := history.RunOf(r)
	if err != nil {
		return history.Entry{}, err
	}
	if revision == "" {
		revision = r.Env.Commit
		switch {
		case revision == "":
			return history.Entry{}, errors.New("the run names no commit: name it with --commit")
		case strings.HasSuffix(revision, "+dirty"):
			return history.Entry{}, fmt.Errorf("the run is of %s, a tree with changes of its own: name the commit with --commit if it is one", revision)
		}
	}
	e, err := entryOf(ctx, revision)
	if err != nil {
		return history.Entry{}, err
	}
	return e, history.Add(dir, e, run, replace)
}

// entryOf is a commit of the repository that one stands in, without runs.
func entryOf(ctx context.Context, revision string) (history.Entry, error) {
	c, err := source.CommitOf(ctx, ".", revision)
	if err != nil {
		return history.Entry{}, err
	}
	return history.Entry{Commit: c.Hash, Parents: c.Parents, Committed: c.Time.UTC(), Subject: c.Subject}, nil
}
