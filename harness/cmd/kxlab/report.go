// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/verdict"
)

const reportLong = `report makes tables, plots (SVG and PNG) and one self-contained page, report.html, from run directories alone: at any
time, on any machine. Incomplete runs are reported as such. It prints the answer and a table for each workload, 60 lines at
most; --all prints all tables, and so do the formats markdown and json.`

// shortFormat is what show prints of a run unless told otherwise.
const shortFormat = "short"

// textFormat is what a run is printed as: the short form, or all tables.
func textFormat(all bool) string {
	if all {
		return "text"
	}
	return shortFormat
}

const allHelp = "print all tables, gates, noise and remarks"

func newReport(s streams) *cobra.Command {
	var format string
	var all bool
	cmd := &cobra.Command{
		Use: "report DIR...", Short: "Make tables, plots and a page from run directories", Long: reportLong,
		Args: cobra.MinimumNArgs(1),
		RunE: action(func(_ *cobra.Command, args []string) error {
			if err := harness.Known("format", format, page.Formats()); err != nil {
				return usage(err)
			}
			s.endAtOnce()
			if format == "text" {
				format = textFormat(all)
			}
			var errs []error
			for _, dir := range args {
				_, err := show(s, dir, format)
				errs = append(errs, err)
			}
			return errors.Join(errors.Join(errs...), writeFates(s, args, format))
		}),
	}
	cmd.Flags().StringVar(&format, "format", "text", "of the tables: text, markdown or json (a document for each run)")
	cmd.Flags().BoolVar(&all, "all", false, allHelp)
	return cmd
}

// show prints a run, as its short form or its tables, unless format is empty, and writes its page.
func show(s streams, dir, format string) (*verdict.Analysis, error) {
	return showIn(s, dir, format, page.Short{})
}

// showIn prints like show, the short form with the given lines.
func showIn(s streams, dir, format string, short page.Short) (*verdict.Analysis, error) {
	r, err := openRun(s, dir)
	if err != nil {
		return nil, err
	}
	a := verdict.Analyze(r)
	path, pageErr := page.Write(a)
	switch format {
	case "":
	case shortFormat:
		short.Width, short.Colour, short.NoPage = s.width, s.colour, pageErr != nil
		err = page.WriteShort(s.out, a, short)
	default:
		err = page.WriteTables(s.out, a, format)
	}
	if err != nil {
		return nil, fmt.Errorf("write tables of %s: %w", dir, err)
	}
	if pageErr != nil {
		return nil, fmt.Errorf("make report of %s: %w%s", dir, pageErr, elsewhere(pageErr))
	}
	if format != shortFormat { // which names the page itself
		s.note("the report is in %s", path)
	}
	return a, nil
}

// elsewhere is the remedy where a folder cannot be written.
func elsewhere(err error) string {
	for _, no := range []error{syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, fs.ErrPermission} {
		if errors.Is(err, no) {
			return ": copy the run directory to a folder with room that you can write, and report that"
		}
	}
	return ""
}

// scoreError names the scores and laws that a run failed; nil if there are none.
func scoreError(a *verdict.Analysis) error {
	var errs []error
	if failed := verdict.FailedScores(a.Scores); len(failed) > 0 {
		errs = append(errs, fmt.Errorf("%d of %s failed:\n  %s", len(failed), harness.Plural(len(a.Scores), "score"), strings.Join(failed, "\n  ")))
	}
	if failed := verdict.FailedLaws(a.Laws); len(failed) > 0 {
		errs = append(errs, fmt.Errorf("%s broken:\n  %s", harness.Plural(len(failed), "law"), strings.Join(failed, "\n  ")))
	}
	return errors.Join(errs...)
}
