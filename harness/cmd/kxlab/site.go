// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/history"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/site"
	"github.com/kxlab/kxlab/harness/source"
	"github.com/kxlab/kxlab/harness/sys"
	"github.com/kxlab/kxlab/harness/verdict"
)

const siteLong = `site makes one static site of many runs: the score board of all claims, a page for each question, a page for each run, the
history of figures over commits, the method and the words. It needs no server and no network. Without RUN it takes every run directory in the folder that --results names.

DIR is replaced as a whole. It may be missing, empty, or a site that this command made; any other folder is refused. If a run
cannot be read, all such runs are named and DIR stays as it is.`

func newSite(s streams) *cobra.Command {
	var results, historyDir, kernelsDir string
	cmd := &cobra.Command{
		Use: "site DIR [RUN...]", Short: "Make a static site of many runs", Long: siteLong, Args: cobra.MinimumNArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			s.endAtOnce() // DIR is replaced in one step
			if err := site.Check(args[0]); err != nil {
				return err
			}
			dirs := args[1:]
			if len(dirs) == 0 {
				var err error
				if dirs, err = runsIn(results); err != nil && (cmd.Flags().Changed("results") || !cmd.Flags().Changed("history")) {
					return err // else the site shows the history alone
				}
			}
			var runs []site.Run
			var errs []error
			for _, dir := range dirs {
				r, err := openRun(s, dir)
				if err != nil {
					errs = append(errs, err)
					continue
				}
				runs = append(runs, site.Run{Name: filepath.Base(filepath.Clean(dir)), Analysis: verdict.Analyze(r)})
			}
			if len(errs) > 0 {
				return fmt.Errorf("make site: %d of %s cannot be read, and the site stays as it is:\n%w", len(errs), harness.Plural(len(dirs), "run"), errors.Join(errs...))
			}
			findCommits(cmd.Context(), runs)
			claims, err := experiments.Claims()
			if err != nil {
				return err
			}
			past, damaged := pastOf(cmd.Context(), historyDir, cmd.Flags().Changed("history"))
			if damaged != nil && past == nil {
				return fmt.Errorf("make site: the site stays as it is: %w", damaged)
			}
			kernels, err := kernelSets(s, kernelsDir, cmd.Flags().Changed("kernels"))
			if err != nil {
				return fmt.Errorf("make site: the site stays as it is: %w", err)
			}
			files, err := site.Make(runs, claims, past, kernels)
			if err == nil {
				err = site.Write(args[0], files)
			}
			if err != nil {
				return err
			}
			pages := harness.Count(slices.Collect(maps.Keys(files)), func(name string) bool { return strings.HasSuffix(name, ".html") })
			err = s.say("%s of %s: %s\n", harness.Plural(pages, "page"), harness.Plural(len(runs), "run"), filepath.Join(args[0], "index.html"))
			return errors.Join(err, harness.Wrap(damaged, "the site shows the history without what is damaged in it"))
		}),
	}
	cmd.Flags().StringVar(&results, "results", "results", "the folder whose run directories are taken if none is named")
	cmd.Flags().StringVar(&kernelsDir, "kernels", "results/kernels", "the folder of runs that differ in their kernel alone (kxlab run --kernel K,K2), if it is there")
	cmd.Flags().StringVar(&historyDir, "history", ownHistory, "the folder of the history (kxlab history), if it is there")
	return cmd
}

// kernelSets are what a site shows of runs on several kernels; none if there is no folder and none was asked for.
func kernelSets(s streams, dir string, asked bool) ([]page.KernelSet, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && !asked {
		return nil, nil
	}
	dirs, err := runsIn(dir)
	if err != nil {
		return nil, err
	}
	var all []*verdict.Analysis
	for _, dir := range dirs {
		r, err := openRun(s, dir)
		if err != nil {
			return nil, err
		}
		all = append(all, verdict.Analyze(r))
	}
	return page.KernelSets(all)
}

// findCommits marks the runs whose commit the repository here lacks, if it has that of another run: else it is not the lab's.
func findCommits(ctx context.Context, runs []site.Run) {
	lacks, has := make([]bool, len(runs)), false
	for i, r := range runs {
		hash, _ := strings.CutSuffix(r.Analysis.Run.Env.Commit, "+dirty")
		if hash == "" {
			continue
		}
		found, err := source.Has(ctx, ".", hash)
		if err != nil { // no repository, so nothing is said
			return
		}
		lacks[i], has = !found, has || found
	}
	for i := range runs {
		runs[i].Lost = has && lacks[i]
	}
}

// pastOf is what a site shows of a history; nil if there is none and none was asked for. The error is beside it: files that are damaged, which
// the page names.
func pastOf(ctx context.Context, dir string, asked bool) (*page.HistoryView, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && !asked {
		return nil, nil
	}
	l, err := openHistory(ctx, dir, "HEAD")
	if len(l.Entries) == 0 {
		return nil, err
	}
	if err != nil {
		l.Remarks = append(strings.Split(err.Error(), "\n"), l.Remarks...)
	}
	v := page.NewHistory(l, l.Changes(history.Options{}))
	return &v, err
}

// runsIn lists the run directories in a folder: its folders that have a part of a record, so that a damaged one is noticed.
func runsIn(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("find runs: %w; name run directories, or run kxlab run first", sys.Missing("folder", folder, err))
	}
	dirs := harness.Map(harness.Filter(entries, os.DirEntry.IsDir), func(e os.DirEntry) string { return filepath.Join(folder, e.Name()) })
	dirs = harness.Filter(dirs, record.Any)
	if len(dirs) == 0 {
		return nil, fmt.Errorf("find runs: %s has no run directory; name one, or run kxlab run first", folder)
	}
	return dirs, nil
}
