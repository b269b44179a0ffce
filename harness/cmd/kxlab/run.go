// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/host"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
)

const runLong = `run measures the cells of experiments: EXPERIMENT is one of kxlab list, or a definition of your own: ./mine.yaml.

Every variant must pass its correctness gate first. A cell has one outcome: measured; not supported, where this machine
or kernel lacks something; failed, where the program or variant is wrong; invalid, where no trial counted. A run with a
failed or invalid cell exits with 1 and names it; the others go on. At the end it prints the answer, against the baseline of
the definition, and a table for each workload, 60 lines at most; --all prints all tables. Ctrl-C stops within a second, tidies up, and leaves a
run directory that is valid and says that it is incomplete.`

func newRun(s streams, words experiments.Vocabulary) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "run EXPERIMENT...", Short: "Measure, and say what differs", Long: runLong,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.plan != "" || os.Getenv("KXLAB_PLAN") != "" {
				return nil // action says what is wrong
			}
			return cobra.MinimumNArgs(1)(cmd, args)
		},
		ValidArgs: experiments.Names(),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			if f.plan != "" {
				if err := checkPlanned(cmd, args); err != nil {
					return usage(err)
				}
			}
			if f.plan != "" || f.shard != "" {
				return runShard(cmd.Context(), s, words, f, args)
			}
			return runAll(cmd.Context(), s, words, f, args)
		}),
	}
	fl := cmd.Flags()
	f.addTo(fl, "", "quick")
	f.addVariants(fl)
	fl.BoolVar(&f.all, "all", false, allHelp)
	fl.StringVar(&f.plan, "plan", "", "a plan's file (kxlab plan): make a shard of it, instead of naming experiments")
	fl.StringVar(&f.shard, "shard", "", shardHelp)
	fl.BoolVar(&f.functions, "functions", false, "target exact: make one more trial of each cell, in which executed instructions are counted by function")
	fl.BoolVar(&f.json, "json", false, "write one JSON line for each trial to standard output instead of the table")
	return cmd
}

// job is one experiment to run on one target and kernel.
type job struct {
	plan      *runner.Plan
	selection runner.Selection
	family    harness.Family
	dir       string
	kernel    string  // as on the command line
	guests    *guests // nil on the host
	// objects are BPF objects that the program does not have, by their names.
	objects map[string][]byte
	names   map[string]string // the user's words for variants that run under other names
	sides   map[string]string // of ab, if the job has both: variants and their sides, "A" and "B"
	beside  beside            // jobs that run at the same time
}

// runAll checks all arguments before it changes anything.
func runAll(ctx context.Context, s streams, words experiments.Vocabulary, f runFlags, args []string) error {
	if err := f.check(); err != nil {
		return usage(err)
	}
	jobs, err := f.jobs(ctx, s, args, withObjects(ctx, words, f.clang), time.Now())
	if err != nil {
		return err
	}
	if err := checkPrograms(ctx, jobs, f); err != nil {
		return err
	}
	var timed bool // by the wall clock, which a second run would distort
	for _, j := range jobs {
		if f.functions && j.plan.Target != harness.TargetExact {
			return usage(fmt.Errorf("--functions: instructions are counted on target exact, not on %s", j.plan.Target))
		}
		if j.plan.Target == harness.TargetHost {
			if err := host.RequireRoot(); err != nil {
				return err
			}
		}
		timed = timed || j.plan.Target != harness.TargetExact
	}
	if timed {
		lock, err := f.lock(ctx, s)
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	var errs []error
	for _, j := range jobs {
		errs = append(errs, j.run(ctx, s, f))
		if ctx.Err() != nil {
			break
		}
	}
	if err := cmp.Or(compareKernels(s, jobs, errs), fatesOfKernels(s, jobs)); err != nil {
		errs = append(errs, err)
	}
	return worst(errs)
}

// lock makes this the only run on this machine that goes by the wall clock.
func (f runFlags) lock(ctx context.Context, s streams) (io.Closer, error) {
	var waiting func(*runner.BusyError)
	if f.wait {
		waiting = func(b *runner.BusyError) { s.note("%v; waiting", b) }
	}
	return runner.Lock(ctx, waiting)
}

// compareKernels compares the runs of an experiment on each kernel and the next.
func compareKernels(s streams, jobs []job, errs []error) error {
	for i := 1; i < len(jobs) && i < len(errs); i++ {
		a, b := jobs[i-1], jobs[i]
		if a.plan.Experiment.Name != b.plan.Experiment.Name || a.kernel == b.kernel || errs[i-1] != nil || errs[i] != nil {
			continue
		}
		if err := compare(s, compareFlags{format: "text", kernels: true}, a.dir, b.dir); err != nil {
			return err
		}
	}
	return nil
}

func (f runFlags) jobs(ctx context.Context, s streams, args []string, words experiments.Vocabulary, now time.Time) ([]job, error) {
	axes, err := f.parseAxes()
	if err != nil {
		return nil, usage(err)
	}
	sel := runner.Selection{Profile: f.profile, Target: f.target, Variants: f.variants, Workloads: f.workloads, Axes: axes, Repeats: f.repeat}
	var jobs []job
	for i, arg := range args {
		e, err := open(arg, words)
		if err == nil {
			e, err = addFolders(ctx, s, words, e, f.with, f.clang)
		}
		if err != nil {
			return nil, err
		}
		e, objects, err := adopt(words, e)
		if err != nil {
			return nil, err
		}
		sel := sel
		sel.Target = cmp.Or(sel.Target, e.TargetsOr()[0])
		j, err := newJob(e, sel, words)
		if err != nil {
			return nil, usage(err)
		}
		j.dir, j.objects = f.out, objects
		switch {
		case f.out == "":
			j.dir = scratch(e.Name+"-"+f.profile, now)
		case len(args) > 1:
			j.dir = filepath.Join(f.out, fmt.Sprintf("%d-%s", i+1, e.Name))
		}
		more, err := f.onKernels(j)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, more...)
	}
	return jobs, f.checkOut(jobs)
}

// newJob plans a selection of an experiment.
func newJob(e harness.Experiment, sel runner.Selection, words experiments.Vocabulary) (job, error) {
	if err := harness.Known("target of "+e.Name, sel.Target, e.TargetsOr()); err != nil {
		return job{}, err
	}
	plan, err := runner.NewPlan(e, sel)
	if err != nil {
		return job{}, fmt.Errorf("experiment %s: %w", e.Name, err)
	}
	family := words.Families[e.Family]
	for _, a := range sel.Axes {
		for _, v := range a.Values {
			if err := harness.CheckAxis(family, a.Name, v); err != nil {
				return job{}, fmt.Errorf("axis %s: %w", a.Name, err)
			}
		}
	}
	return job{plan: plan, selection: sel, family: family}, nil
}

var errHostKernel = errors.New("--kernel: target host runs on this machine's kernel; take --target vm or exact")

// onKernels returns the job, or one for each kernel of the command line.
func (f runFlags) onKernels(j job) ([]job, error) {
	if j.plan.Target == harness.TargetHost {
		if len(f.kernels) > 0 {
			return nil, usage(errHostKernel)
		}
		return []job{j}, nil
	}
	if f.root == rootHost && j.plan.Target == harness.TargetExact {
		return nil, usage(errors.New("--root host: guests of target exact have the lab's own root: what is read from this machine comes when it comes"))
	}
	if len(f.kernels) == 0 {
		return []job{j}, nil
	}
	var out []job
	for i, k := range f.kernels {
		on := j
		on.kernel = k
		if len(f.kernels) > 1 {
			on.dir = filepath.Join(j.dir, fmt.Sprintf("kernel%d", i+1))
		}
		out = append(out, on)
	}
	return out, nil
}

// run measures one experiment and reports it.
func (j job) run(ctx context.Context, s streams, f runFlags) error {
	sum, err := j.measure(ctx, s, f)
	if err != nil {
		return err
	}
	format := textFormat(f.all)
	if f.json { // standard output has JSON lines
		format = ""
	}
	a, err := show(s, j.dir, format)
	if err := errors.Join(err, wrongError(j, sum)); err != nil {
		return err
	}
	return scoreError(a)
}

// measure measures one experiment into its run directory. It is an error if nothing of it can be measured here.
func (j *job) measure(ctx context.Context, s streams, f runFlags) (sum runner.Summary, err error) {
	if j.plan.Target != harness.TargetHost {
		if j.guests, err = openGuests(ctx, *j, f); err != nil {
			return sum, err
		}
		if j.guests.exact {
			if j.guests.reports, err = openReports(f.fresh); err != nil {
				s.note("no kept reports of guests: %v: every guest runs", err)
			}
		}
	}
	env, err := newEnv(ctx, *j, f)
	if err != nil {
		return sum, err
	}
	w, err := record.Create(j.dir, env)
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for _, variant := range slices.Sorted(maps.Keys(j.names)) {
		if word := j.names[variant]; variant != word {
			if err := w.Note("variant %s is %s", variant, word); err != nil {
				return sum, err
			}
		}
	}
	var rec runner.Recorder = w
	if f.json {
		rec = newJSONLines(s.out, w)
	}
	kept := j.keptGates(ctx, s, f)
	progress := cmp.Or(j.beside.progress, s.progress())
	progress.Rename = func(text string) string { return rename(text, j.names) }
	if j.guests != nil {
		sum, err = j.guests.run(ctx, s, j.plan, j.selection,
			runner.GuestOptions{
				Record: rec, KeptGates: kept, Objects: j.objects, Seed: f.seed, Progress: progress, Turn: j.beside.turn, Made: j.beside.made,
				Died: died(j.family, j.guests.kernel.Release),
			}, w)
	} else {
		sum, err = runner.Run(ctx, j.plan, runner.Options{Family: j.family, Record: rec, KeptGates: kept, Seed: f.seed, Progress: progress})
	}
	if len(sum.Kept) > 0 {
		s.note("%s: %s", j.plan.Experiment.Name, keptNote(sum.Kept))
	}
	if j.guests != nil {
		if text := j.guests.reports.note(); text != "" {
			s.note("%s: %s", j.plan.Experiment.Name, text)
			err = cmp.Or(err, w.Note("%s", text))
		}
	}
	share := shareOf(sum, j.plan.Target)
	if err != nil {
		s.note("%s: %s", j.plan.Experiment.Name, share)
		err = fmt.Errorf("the run in %s is incomplete: %w", j.dir, err)
		if wrong := wrongError(*j, sum); wrong != nil || sum.Valid+sum.Rejected > 0 {
			return sum, withCode(codeFailed, errors.Join(err, wrong))
		}
		return sum, err
	}
	if err := j.recordMore(ctx, s, f, sum, w); err != nil {
		return sum, fmt.Errorf("the run in %s is incomplete: %w", j.dir, err)
	}
	if err := cmp.Or(w.Note("%s", share), w.Finish()); err != nil {
		return sum, err
	}
	s.note("%s: %s", j.plan.Experiment.Name, share)
	if sum.Count(harness.OutcomeNotSupported) == len(sum.Outcomes) {
		return sum, unsupported(lackingError(*j, sum))
	}
	return sum, nil
}
