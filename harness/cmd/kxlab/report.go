// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/verdict"
)

const reportLong = `report makes tables, plots (SVG and PNG) and one self-contained page, report.html, from run directories alone: at any
time, on any machine. Incomplete runs are reported as such.`

func newReport(s streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "report DIR...", Short: "Make tables, plots and a page from run directories", Long: reportLong,
		Args: cobra.MinimumNArgs(1),
		RunE: action(func(_ *cobra.Command, args []string) error {
			if err := harness.Known("format", format, page.Formats()); err != nil {
				return usage(err)
			}
			s.endAtOnce()
			var errs []error
			for _, dir := range args {
				_, err := show(s, dir, format)
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		}),
	}
	cmd.Flags().StringVar(&format, "format", "text", "of the tables: text, markdown or json")
	return cmd
}

// show prints a run's tables, unless format is empty, and writes its page.
func show(s streams, dir, format string) (*verdict.Analysis, error) {
	r, err := openRun(s, dir)
	if err != nil {
		return nil, err
	}
	a := verdict.Analyze(r)
	if format != "" {
		if err := page.WriteTables(s.out, a, format); err != nil {
			return nil, fmt.Errorf("write tables of %s: %w", dir, err)
		}
	}
	path, err := page.Write(a)
	if err != nil {
		return nil, fmt.Errorf("make report of %s: %w", dir, err)
	}
	s.note("the report is in %s", path)
	return a, nil
}

// scoreError names the scores and laws that a run failed; nil if there are none.
func scoreError(a *verdict.Analysis) error {
	var errs []error
	if failed := verdict.FailedScores(a.Scores); len(failed) > 0 {
		errs = append(errs, fmt.Errorf("%d of %d scores failed:\n  %s", len(failed), len(a.Scores), strings.Join(failed, "\n  ")))
	}
	if failed := verdict.FailedLaws(a.Laws); len(failed) > 0 {
		errs = append(errs, fmt.Errorf("%d laws broken:\n  %s", len(failed), strings.Join(failed, "\n  ")))
	}
	return errors.Join(errs...)
}
