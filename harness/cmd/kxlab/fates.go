// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io/fs"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/verdict"
)

// writeFates prints the matrix of fates (harness.Fate) over several run directories; nothing of one alone, whose report has it.
func writeFates(s streams, dirs []string, format string) error {
	if len(dirs) < 2 || format == "json" {
		return nil
	}
	if format == shortFormat {
		format = "text"
	}
	var runs []*verdict.Analysis
	for _, dir := range dirs {
		r, err := openRun(s, dir)
		if errors.Is(err, fs.ErrNotExist) { // it ended before it had a record
			continue
		}
		if err != nil {
			return err
		}
		runs = append(runs, verdict.Analyze(r))
	}
	return page.WriteFates(s.out, runs, format)
}

// fatesOfKernels prints the matrix over the runs of an experiment on several kernels.
func fatesOfKernels(s streams, jobs []job) error {
	for _, same := range harness.GroupBy(jobs, func(j job) string { return j.plan.Experiment.Name }) {
		if err := writeFates(s, harness.Map(same, func(j job) string { return j.dir }), ""); err != nil {
			return err
		}
	}
	return nil
}
