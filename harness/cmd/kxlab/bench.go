// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/host"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/vm"
)

const benchLong = `bench compares load balancers on this kernel and in exact guests, ways to replace programs on this kernel, congestion controls and
schedulers, faulty programs and modules, and C with BPF, in exact guests. It prints its plan with an estimate first, then the answer of each run as it is known, and at the end
what was found and where to read on: 150 lines at most, unless --all is given.

A run that fails does not stop the others. The exit code is the worst: 1 if a run failed, else 4 if this machine lacks what a
run needs. It needs root, as the runs on this kernel do.`

// A benchItem is one run of bench.
type benchItem struct {
	title, experiment, target string
	// only and but choose workloads of the profile: only these, all but these. The run that can answer first has few.
	only, but []string
}

// benchItems are the runs of bench. Packets on this kernel come first: one table, answered within a minute.
func benchItems() []benchItem {
	return []benchItem{
		{title: "load balancers on this kernel: packets", experiment: "lb", target: harness.TargetHost, only: []string{"pps"}},
		{title: "load balancers on this kernel: connections, changes", experiment: "lb", target: harness.TargetHost, but: []string{"pps"}},
		{title: "replacement at run time on this kernel", experiment: "swap", target: harness.TargetHost},
		{title: "load balancers in guests", experiment: "lb", target: harness.TargetExact},
		{title: "congestion controls in guests", experiment: "cc", target: harness.TargetExact},
		{title: "schedulers in guests", experiment: "sched", target: harness.TargetExact},
		{title: "faulty programs and modules in guests", experiment: "safety", target: harness.TargetExact},
		{title: "functions in C and in BPF in guests", experiment: "jit", target: harness.TargetExact},
	}
}

// benchLines is how many lines the answer of one run has; the first, which shows what tables look like, has more.
const (
	benchLines      = 9
	firstBenchLines = 24
)

func newBench(s streams, words experiments.Vocabulary) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "bench", Short: "Compare load balancers, replacements, congestion controls, schedulers, faults, C and BPF", Long: benchLong, Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			return bench(cmd.Context(), s, words, f, benchItems(), time.Now)
		}),
	}
	fl := cmd.Flags()
	fl.StringVar(&f.profile, "profile", "quick", profileHelp)
	fl.IntVar(&f.repeat, "repeat", 0, repeatHelp)
	fl.Uint64Var(&f.seed, "seed", 1, seedHelp)
	fl.StringVar(&f.out, "out", "", "folder of the run directories (default results/scratch/bench-PROFILE-TIME)")
	fl.BoolVar(&f.snapshots, "snapshots", true, snapshotsHelp)
	fl.BoolVar(&f.fresh, "fresh", false, freshHelp)
	fl.DurationVar(&f.silence, "silence", vm.SilenceTime, silenceHelp)
	fl.BoolVar(&f.wait, "wait", false, waitHelp)
	fl.BoolVar(&f.all, "all", false, allHelp)
	return cmd
}

// A benchRun is an item that is planned, and then what became of it.
type benchRun struct {
	benchItem
	job
	estimate time.Duration
	found    string // the answer's first two sentences, or why there is none
	err      error
}

// bench plans all items before it runs the first.
func bench(ctx context.Context, s streams, words experiments.Vocabulary, f runFlags, items []benchItem, now func() time.Time) error {
	if err := f.check(); err != nil {
		return usage(err)
	}
	if f.out == "" {
		f.out = scratch("bench-"+f.profile, now())
	}
	if err := record.CheckEmpty(f.out); err != nil {
		return err
	}
	runs, err := planBench(ctx, words, f, items)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(runs, func(r *benchRun) bool { return r.plan.Target == harness.TargetHost }) {
		if err := host.RequireRoot(); err != nil {
			return err
		}
	}
	printPlan(s, f, runs)
	quiet := s
	quiet.quiet = true
	ctx = cache.WithNote(ctx, func(string) {})
	var spent, foreseen time.Duration
	for i, r := range runs {
		fmt.Fprintf(s.out, "\n== %d of %d: %s\n", i+1, len(runs), r.title)
		began := now()
		r.run(ctx, s, quiet, f)
		took := now().Sub(began)
		if r.err != nil {
			s.say("%s\n", headOf(r.err, 1))
		}
		spent, foreseen = spent+took, foreseen+r.estimate
		left := restOf(runs[i+1:], spent, foreseen)
		fmt.Fprintf(s.out, "%s, estimated %s; about %s left\n", seconds(took), seconds(r.estimate), seconds(left))
		if ctx.Err() != nil {
			break
		}
	}
	printFound(s, f, runs, spent)
	return benchError(runs)
}

// planBench plans the items; those without a cell in the profile are left out.
func planBench(ctx context.Context, words experiments.Vocabulary, f runFlags, items []benchItem) ([]*benchRun, error) {
	var runs []*benchRun
	for _, item := range items {
		e, err := open(item.experiment, words)
		if err != nil {
			return nil, err
		}
		profile, _ := harness.Find(e.Profiles, func(p harness.Profile) bool { return p.Name == f.profile })
		one := f
		one.target = item.target
		for _, w := range profile.Workloads {
			chosen := len(item.only) == 0 || slices.Contains(item.only, w.Name)
			here := len(w.Targets) == 0 || slices.Contains(w.Targets, item.target)
			if chosen && here && !slices.Contains(item.but, w.Name) && !slices.Contains(one.workloads, w.Name) {
				one.workloads = append(one.workloads, w.Name)
			}
		}
		if len(one.workloads) == 0 && len(profile.Workloads) > 0 {
			continue
		}
		one.out = filepath.Join(f.out, fmt.Sprintf("%d-%s-%s", len(runs)+1, e.Name, item.target))
		jobs, err := one.jobs(ctx, streams{}, []string{item.experiment}, words, time.Time{})
		if err != nil {
			return nil, err
		}
		r := &benchRun{benchItem: item, job: jobs[0]}
		r.estimate = estimate(r.plan)
		runs = append(runs, r)
	}
	if len(runs) == 0 {
		return nil, usage(fmt.Errorf("profile %s has nothing to run here", f.profile))
	}
	return runs, nil
}

// run measures one item and prints its answer, also that of a run which ended early.
func (r *benchRun) run(ctx context.Context, loud, s streams, f runFlags) {
	if r.plan.Target == harness.TargetHost {
		lock, err := f.lock(ctx, loud)
		if err != nil {
			r.err = err
			return
		}
		defer lock.Close()
	}
	sum, err := r.measure(ctx, s, f)
	if _, missing := os.Stat(filepath.Join(r.dir, record.EnvFile)); missing != nil {
		r.err = err
		return
	}
	short := page.Short{Lines: benchLines, Brief: true}
	if len(r.only) > 0 { // the first
		short = page.Short{Lines: firstBenchLines}
	}
	a, shown := showIn(s, r.dir, textFormat(f.all), short)
	if a != nil {
		answer := page.Answer(a)
		r.found = strings.Join(answer[:min(2, len(answer))], " ")
	}
	if err == nil {
		err = wrongError(r.job, sum)
	}
	r.err = errors.Join(err, shown)
	if a != nil {
		r.err = errors.Join(r.err, scoreError(a))
	}
}

// benchError is the worst of the runs' errors, in one line.
func benchError(runs []*benchRun) error {
	var bad []string
	code := codeDone
	for _, r := range runs {
		if r.err == nil {
			continue
		}
		bad = append(bad, r.title)
		if code != codeFailed { // what is lacking is less bad than a fault
			code = codeOf(r.err)
		}
		if code != codeNothing {
			code = codeFailed
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return withCode(code, fmt.Errorf("%d of %s failed: %s", len(bad), harness.Plural(len(runs), "run"), strings.Join(bad, "; ")))
}

// printPlan says what will be run, and how long it takes.
func printPlan(s streams, f runFlags, runs []*benchRun) {
	var all time.Duration
	for _, r := range runs {
		all += r.estimate
	}
	s.say("kxlab bench, profile %s: %s, about %s in all by estimate; results in %s\n", f.profile, harness.Plural(len(runs), "run"), seconds(all), f.out)
	for i, r := range runs {
		fmt.Fprintf(s.out, "  %d  %-52s %3d cells, %4d trials, about %s\n", i+1, r.title, r.plan.Cells(), r.plan.Trials(), seconds(r.estimate))
	}
	fmt.Fprintf(s.out, "%s\n", estimateNote)
}

// printFound says in at most ten lines what was found and where to read on.
func printFound(s streams, f runFlags, runs []*benchRun, spent time.Duration) {
	fmt.Fprintf(s.out, "\nFound in %s:\n", seconds(spent))
	for _, r := range runs {
		found := r.found
		switch {
		case found == "" && r.err != nil:
			found = "no answer: " + headOf(r.err, 1)
		case found == "":
			found = "not run"
		case r.err != nil:
			found += " (with errors)"
		}
		s.say("- %s\n", cut(fmt.Sprintf("%s on %s: %s", r.plan.Experiment.Name, r.plan.Target, found), 200))
	}
	s.say("Read on: %s; all tables: kxlab report --all DIR\n", filepath.Join(f.out, "*", filepath.Base(page.Path("."))))
}

// headOf is the first lines of an error.
func headOf(err error, lines int) string {
	all := strings.Split(err.Error(), "\n")
	for i := range all {
		all[i] = cut(all[i], 200)
	}
	if len(all) > lines {
		all = append(all[:lines-1:lines-1], all[lines-1]+" …")
	}
	return strings.Join(all, "\n")
}

func cut(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

func seconds(d time.Duration) string { return d.Round(time.Second).String() }
