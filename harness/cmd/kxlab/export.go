// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/export"
	"github.com/kxlab/kxlab/harness/history"
	"github.com/kxlab/kxlab/harness/source"
)

const exportLong = `export writes what complete runs measured in a format that other programs read, to standard output or to a new file. With --history and
no run, it writes a history, the oldest commit first.

  benchfmt               the Go benchmark format, for benchstat
  csv                    a line for each value, and for each that is missing with what became of it
  openmetrics            the median of each cell and unit, for Prometheus
  customSmallerIsBetter  github-action-benchmark's tool of that name: the units of which lower values are better
  customBiggerIsBetter   the same of those of which higher values are better
  bencher                the Bencher Metric Format
  kcidb                  a report for KCIDB, I/O schema 5.3

Rejected trials, bounds, and cells without a number are never exported as numbers; csv, openmetrics and kcidb say what became of them.`

func newExport(s streams) *cobra.Command {
	var name, out, dir, to, revision string
	var o export.Options
	cmd := &cobra.Command{
		Use: "export [RUN...]", Short: "Write runs or a history in formats that other programs read", Long: exportLong, Args: cobra.ArbitraryArgs,
		Example: `  kxlab export results/lb --format csv --out lb.csv
  kxlab export results/lb-exact --format customSmallerIsBetter
  kxlab export run --format kcidb --commit HEAD --origin mylab
  kxlab export --history results/history --format openmetrics`,
		RunE: action(func(cmd *cobra.Command, args []string) error {
			if err := harness.Known("format", name, export.Formats()); err != nil {
				return usage(err)
			}
			if err := o.Check(); err != nil {
				return usage(fmt.Errorf("--origin: %w", err))
			}
			switch {
			case len(args) == 0 && dir == "":
				return usage(errors.New("name a run directory, or a history with --history"))
			case len(args) > 0 && dir != "":
				return usage(errors.New("--history: export writes runs or a history, not both at once"))
			}
			s.endAtOnce()
			runs, damaged, err := exported(cmd.Context(), s, args, dir, to, revision)
			if err != nil {
				return err
			}
			var b bytes.Buffer
			o.WithoutTimes = dir == "" // a run is of the present, whatever its commit's time
			if err := export.Write(&b, name, runs, o); err != nil {
				if dir != "" && errors.Is(err, export.ErrTwice) && revision == "" {
					err = fmt.Errorf("%w: choose one commit of the history with --commit", err)
				}
				return err
			}
			return errors.Join(writeOut(s, out, b.Bytes()), damaged)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&name, "format", "csv", strings.Join(export.Formats(), ", "))
	f.StringVar(&out, "out", stdout, "the file, which is new; -: standard output")
	f.StringVar(&dir, "history", "", "export the history in this folder")
	f.StringVar(&to, "to", "HEAD", "the last commit of the history's line")
	f.StringVar(&revision, "commit", "", "the commit that was measured (default: the one that the run names); with --history: the one to export (default: all)")
	f.StringVar(&o.Origin, "origin", "kxlab", "name of your CI system in KCIDB")
	return cmd
}

// exported are the runs to be exported: those of run directories, or of a history with the error of what is damaged in it.
func exported(ctx context.Context, s streams, dirs []string, dir, to, revision string) (runs []export.Run, damaged, err error) {
	if dir != "" {
		l, damaged := openHistory(ctx, dir, to)
		if len(l.Entries) == 0 {
			return nil, nil, damaged
		}
		for _, remark := range l.Remarks {
			s.note("%s", remark)
		}
		if revision == "" {
			return export.Along(l), damaged, nil
		}
		c, err := entryOf(ctx, revision)
		if err != nil {
			return nil, nil, err
		}
		l.Entries = harness.Filter(l.Entries, func(e history.Entry) bool { return e.Commit == c.Commit })
		if len(l.Entries) == 0 {
			return nil, nil, fmt.Errorf("--commit %s: the history has nothing of %.12s %s", revision, c.Commit, c.Subject)
		}
		return export.Along(l), damaged, nil
	}
	var named history.Entry
	if revision != "" {
		if named, err = entryOf(ctx, revision); err != nil {
			return nil, nil, err
		}
	}
	for _, path := range dirs {
		r, err := openRun(s, path)
		if err != nil {
			return nil, nil, err
		}
		commit := named
		if revision == "" {
			commit.Commit = r.Env.Commit
			noteLabs(ctx, s, path, commit.Commit)
		}
		run, err := export.Of(r, commit)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		runs = append(runs, run)
	}
	return runs, nil, nil
}

// noteLabs notes that a run names a commit of the lab's, which the repository here lacks.
func noteLabs(ctx context.Context, s streams, path, commit string) {
	hash := strings.TrimSuffix(commit, "+dirty")
	if has, err := source.Has(ctx, ".", hash); hash != "" && err == nil && !has {
		s.note("%s: %.12s, which it names, is not in the repository here: it is the lab's; name the commit that was measured with --commit HEAD", path, hash)
	}
}
