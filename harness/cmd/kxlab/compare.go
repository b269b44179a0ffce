// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/verdict"
)

const compareLong = `compare says, cell by cell, whether NEW is better or worse than OLD, both run directories. The drift of the machine
between the runs is taken off by the ceilings; a difference counts only if it is significant and reaches the minimum
effect. The more cells are compared, the larger the difference that chance can make in one of them: --workload asks about
some only, and is shown smaller differences there. --changed leaves out what did not change; rows that were not judged are counted there as well.

The gate fails (exit code 3) if something became worse; and, unless --allow-missing is given, if NEW lacks a cell or unit that OLD measured, if NEW
was stopped or killed, or if no row could be judged: one seed on target exact, or fewer than four repeats elsewhere, show nothing. What NEW lacks
is listed with what became of it there. Fates of faults are words: one trial decides, and harm where there was none is worse. Runs on another target, CPU or kernel cannot be compared; --kernels allows other kernels.`

// compareFlags are the flags of compare.
type compareFlags struct {
	minEffect, format                    string
	gate, kernels, changed, allowMissing bool
	workloads                            []string
}

func newCompare(s streams) *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use: "compare OLD NEW", Short: "Say what changed between two runs", Long: compareLong, Args: cobra.ExactArgs(2),
		RunE: action(func(_ *cobra.Command, args []string) error {
			s.endAtOnce()
			return compare(s, f, args[0], args[1])
		}),
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.gate, "gate", false, "exit with 3 if something became worse or is missing, or if no row could be judged")
	fl.BoolVar(&f.allowMissing, "allow-missing", false, "let the gate pass although NEW lacks what OLD measured, ended early, or no row could be judged")
	fl.BoolVar(&f.changed, "changed", false, "write only what changed, and nothing if nothing did (text and markdown)")
	fl.BoolVar(&f.kernels, "kernels", false, "allow runs on different kernels")
	fl.StringVar(&f.minEffect, "min-effect", "", fmt.Sprintf("smallest difference that counts: 1%% or 0.01 (default %g%%, on target exact %g%%)",
		100*verdict.DefaultMinEffect, 100*verdict.DefaultMinEffectExact))
	fl.StringSliceVar(&f.workloads, "workload", nil, "only these workloads")
	fl.StringVar(&f.format, "format", "text", "text, markdown, json or junit")
	return cmd
}

func compare(s streams, f compareFlags, oldDir, newDir string) error {
	if err := harness.Known("format", f.format, page.CompareFormats()); err != nil {
		return usage(err)
	}
	if f.changed && !slices.Contains(page.ChangeFormats(), f.format) {
		return usage(fmt.Errorf("--changed: format %s says of each row whether it changed; leave --changed out", f.format))
	}
	var effect float64 // 0: the target's own
	if f.minEffect != "" {
		var err error
		if effect, err = share(f.minEffect); err != nil {
			return usage(fmt.Errorf("--min-effect: %w", err))
		}
	}
	before, err := openRun(s, oldDir)
	if err != nil {
		return err
	}
	after, err := openRun(s, newDir)
	if err != nil {
		return err
	}
	c, err := verdict.Compare(before, after, verdict.CompareOptions{MinEffect: effect, Kernels: f.kernels, Workloads: f.workloads, AllowMissing: f.allowMissing})
	if unknown := new(harness.UnknownError); errors.As(err, &unknown) {
		return usage(err)
	}
	if err != nil {
		return err
	}
	write := page.WriteComparison
	if f.changed {
		write = page.WriteChanges
	}
	if err := write(s.out, c, f.format); err != nil {
		return err
	}
	if f.format != "json" && f.format != "junit" {
		if err := page.WriteCauses(s.out, c, before.Functions, after.Functions, f.format); err != nil {
			return err
		}
	}
	if counted := len(before.Functions) > 0 && len(after.Functions) > 0; !counted && before.Env.Target == harness.TargetExact && c.Count(verdict.Better)+c.Count(verdict.Worse) > 0 {
		s.note("functions were not counted in both runs: kxlab run --functions records where a difference comes from")
	}
	if err := stackDiffs(s, before, after, filepath.Base(before.Dir), filepath.Base(after.Dir), false); err != nil {
		return err
	}
	switch {
	case f.gate && c.Gate():
		return withCode(codeRegression, fmt.Errorf("regression: %s", c.Summary()))
	case f.gate && c.Blind():
		return withCode(codeRegression, fmt.Errorf("the gate can say nothing, %w: %s: run both with more repeats (--repeat 5), or let it pass with --allow-missing", errBlind, c.Summary()))
	}
	return nil
}

// openRun reads a run directory and notes what is amiss in it.
func openRun(s streams, dir string) (*record.Run, error) {
	r, err := record.Open(dir)
	if err != nil {
		return nil, err
	}
	complement(&r.Env)
	for _, remark := range r.Remarks {
		s.note("%s: %s", dir, remark)
	}
	return r, nil
}

// share reads "1%" or "0.01" as 0.01.
func share(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 1) { // NaN is not above 0
		return 0, fmt.Errorf("%q is not a share above 0, such as 1%% or 0.01", text)
	}
	if percent {
		v /= 100
	}
	switch {
	case v <= 1:
		return v, nil
	case percent || v > 100:
		return 0, fmt.Errorf("%q is more than 100 %%: want a share of what is measured, such as 1%% or 0.01", text)
	}
	return 0, fmt.Errorf("%q is more than 100 %%: did you mean %s%%?", text, number)
}
