// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

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
				return gateOf(cmd.Context(), l, changes, to)
			}
			return damaged
		}),
	}
	f := cmd.Flags()
	f.StringVar(&to, "to", "HEAD", "the last commit of the line")
	f.StringVar(&format, "format", "text", "text, markdown or json")
	f.StringVar(&series, "series", "", "write the series whose names have these words, commit by commit, instead of changes")
	f.BoolVar(&all, "all", false, "write all steps of each change")
	f.BoolVar(&gate, "gate", false, "exit with 3 if the commit of --to has a step for the worse, lacks a series, or cannot be judged")
	f.StringVar(&exact, "min-effect", "", "smallest step on target exact: 1% or 0.01 (default 0.5%)")
	f.StringVar(&noisy, "min-effect-noisy", "", "smallest step on other targets (default 3%)")
	cmd.PersistentFlags().StringVar(&dir, "history", ownHistory, "the folder of the history")
	cmd.AddCommand(newHistoryAdd(s, &dir))
	return cmd
}

// openHistory reads a history along the repository's line of commits. The error is beside the line: files that are damaged, or why there is no line.
func openHistory(ctx context.Context, dir, to string) (history.Line, error) {
	entries, remarks, err := history.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return history.Line{}, fmt.Errorf("open history: there is no folder %s: kxlab history add makes it, or name another with --history", dir)
	}
	if len(entries) == 0 {
		return history.Line{}, errors.Join(append([]error{err}, harness.Map(remarks, func(r string) error { return errors.New(r) })...)...)
	}
	notes, notesErr := history.Notes(dir)
	err = errors.Join(err, notesErr)
	commits, lineErr := source.LineOf(ctx, ".", to)
	switch {
	case errors.Is(lineErr, source.ErrNoRepository):
		l := history.ByTime(entries)
		l.Annotate(notes)
		l.Remarks = slices.Concat([]string{"this folder is in no git repository: commits are in the order of their times"}, remarks, l.Remarks)
		return l, err
	case errors.Is(lineErr, source.ErrUnreadable):
		return history.Line{}, errors.Join(lineErr, err)
	case lineErr != nil:
		return history.Line{}, usage(errors.Join(lineErr, err))
	}
	all := len(entries)
	entries, later := upTo(ctx, entries, commits)
	if later > 0 {
		remarks = append(remarks, fmt.Sprintf("%s later than %s on the line of HEAD", harness.Plural(later, "measured commit"), to))
	}
	l := history.Along(entries, commits)
	if len(l.Entries) == 0 {
		return l, errors.Join(fmt.Errorf("open history: none of the %s is on the line of commits up to %s%s; name another with --to", harness.Plural(all, "commit"), to, shallowHint(ctx)), err)
	}
	l.Annotate(notes)
	l.Remarks = slices.Concat(remarks, l.Remarks)
	if hint := shallowHint(ctx); hint != "" && len(l.Entries) < all {
		l.Remarks = append([]string{fmt.Sprintf("%d of %s on this line%s", len(l.Entries), harness.Plural(all, "measured commit"), hint)}, l.Remarks...)
	}
	return l, err
}

// upTo takes the entries off that are later than a line of commits, on that of HEAD, and counts them.
func upTo(ctx context.Context, entries []history.Entry, commits []string) (kept []history.Entry, later int) {
	head, err := source.LineOf(ctx, ".", "HEAD")
	if err != nil || len(commits) == 0 || !slices.Contains(head, commits[len(commits)-1]) {
		return entries, 0
	}
	behind := map[string]bool{}
	for _, c := range head[slices.Index(head, commits[len(commits)-1])+1:] {
		behind[c] = true
	}
	kept = harness.Filter(entries, func(e history.Entry) bool { return !behind[e.Commit] })
	return kept, len(entries) - len(kept)
}

// shallowHint says that the clone here lacks older commits; "" if it does not.
func shallowHint(ctx context.Context) string {
	if shallow, err := source.Shallow(ctx, "."); err != nil || !shallow {
		return ""
	}
	return ": this is a shallow clone, which lacks older commits (git fetch --unshallow; in a workflow, actions/checkout with fetch-depth: 0)"
}

// gateOf is the error of a history whose newest commit is worse, or cannot be judged; nil if it is judged and not worse. A step together with
// another kernel or QEMU passes, and so does a drift, of which no commit is to blame.
func gateOf(ctx context.Context, l history.Line, changes []history.Change, to string) error {
	for _, c := range changes {
		if c.At == len(l.Entries)-1 && !c.Drift && (c.Worse() > 0 && len(c.Environment) == 0 || len(c.Vanished) > 0) {
			return withCode(codeRegression, fmt.Errorf("history: %s: %s for the worse, %d series vanished", page.ChangeTitle(l, c), harness.Plural(c.Worse(), "step"), len(c.Vanished)))
		}
	}
	newest := l.Entries[len(l.Entries)-1].Commit
	refuse := func(format string, args ...any) error {
		return withCode(codeRegression, fmt.Errorf("history: the gate can say nothing: "+format, args...))
	}
	judged, elsewhere := l.Judged()
	switch hint := shallowHint(ctx); {
	case l.Behind() > 0:
		return refuse("%s is not measured, the newest measured commit is %.10s, %s before: kxlab history add RUN --commit %s, or ask about that commit with --to %.10s",
			to, newest, harness.Plural(l.Behind(), "commit"), to, newest)
	case len(elsewhere) > 0:
		return refuse("%.10s was measured in other settings than the commits before it: %s", newest, strings.Join(elsewhere, "; "))
	case judged == 0 && hint != "":
		return refuse("no run of %.10s is held against an earlier one%s", newest, hint)
	case judged == 0:
		return refuse("no run of %.10s is held against an earlier one: that takes an earlier commit with the same setting, on target exact, with two repeats; "+
			"to compare two runs, use kxlab compare --gate", newest)
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
				e, recorded, err := addRun(cmd.Context(), s, *dir, run, revision, replace)
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", run, err))
					continue
				}
				if recorded.Before(e.Committed) {
					s.note("%s: the run was made at %s, before the commit (%s): is it of this one?", run, recorded.Format(time.RFC3339), e.Committed.Format(time.RFC3339))
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

// addRun adds one run and says when it was made.
func addRun(ctx context.Context, s streams, dir, path, revision string, replace bool) (e history.Entry, recorded time.Time, err error) {
	r, err := openRun(s, path)
	if err != nil {
		return e, recorded, err
	}
	run, err := history.RunOf(r)
	if err != nil {
		return e, recorded, err
	}
	lab := revision == ""
	if lab {
		revision = r.Env.Commit
		switch {
		case revision == "":
			return e, recorded, errors.New("the run names no commit: name it with --commit HEAD")
		case strings.HasSuffix(revision, "+dirty"):
			return e, recorded, fmt.Errorf("the run is of %s, a tree of the lab with changes of its own: name the commit that was measured with --commit HEAD", revision)
		}
	}
	if e, err = entryOf(ctx, revision); err != nil {
		if lab {
			err = fmt.Errorf("the run names %.12s, the commit of the lab, which is not in the repository here: name the commit that was measured with --commit HEAD (%w)", revision, err)
		}
		return e, recorded, err
	}
	return e, run.Recorded, history.Add(dir, e, run, replace)
}

// entryOf is a commit of the repository that one stands in, without runs.
func entryOf(ctx context.Context, revision string) (history.Entry, error) {
	c, err := source.CommitOf(ctx, ".", revision)
	if err != nil {
		return history.Entry{}, err
	}
	return history.Entry{Commit: c.Hash, Parents: c.Parents, Committed: c.Time.UTC(), Subject: c.Subject}, nil
}
