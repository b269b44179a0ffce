// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/host"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/vm"
)

const runLong = `run measures the cells of experiments: EXPERIMENT is one of kxlab list, or a definition of your own: ./mine.yaml.

Every variant must pass its correctness gate first. A cell has one outcome: measured; not supported, where this machine
or kernel lacks something; failed, where the program or variant is wrong; invalid, where no trial counted. A run with a
failed or invalid cell exits with 1 and names it; the others go on. At the end it prints the answer, against the baseline of
the definition, and a table for each workload, 60 lines at most; --all prints all tables. Ctrl-C stops within a second, tidies up, and leaves a
run directory that is valid and says that it is incomplete.`

// runFlags are the flags of run.
type runFlags struct {
	target, profile, out, root, clang        string
	plan, shard                              string
	variants, workloads, axes, kernels, with []string
	repeat, cpus                             int
	seed                                     uint64
	silence                                  time.Duration
	snapshots, fresh, json, wait, all        bool
	functions                                bool // target exact: count instructions by function
	stacks                                   bool // sample stacks
}

func newRun(s streams, words experiments.Vocabulary) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "run EXPERIMENT...", Short: "Measure, and say what differs", Long: runLong,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.plan != "" {
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

// Help texts of flags that bench has, too.
const (
	profileHelp   = "how much is run: smoke, quick, wide or full (kxlab list EXPERIMENT --yaml shows each)"
	repeatHelp    = "trials of each cell (0: as many as the profile says)"
	seedHelp      = "decides the order of trials and what packets look like"
	snapshotsHelp = "resume guests of target exact from snapshots; without, each boots, which is slower and gives the same digits"
	freshHelp     = "check every correctness gate and run every guest anew; without, a gate that this lab passed on this kernel, with this definition and seed, is kept, and so is the report of an exact guest in which nothing failed: the same guest gives the same digits"
	silenceHelp   = "end a guest from which nothing came for so long, not even a sign of life"
	waitHelp      = "if another run is measuring on this machine, wait for it"
)

// addTo adds the flags of all commands that measure.
func (f *runFlags) addTo(fl *pflag.FlagSet, target, profile string) {
	f.addChoice(fl, target, profile)
	fl.StringVar(&f.root, "root", "", "root file system of guests: host (this machine's, read-only, through virtme-ng) or image (the lab's own, with what the experiment names; it boots in a tenth of the time) (default: on target vm what the experiment says, else host)")
	f.addGuests(fl)
	fl.StringVar(&f.out, "out", "", "run directory (default results/scratch/EXPERIMENT-PROFILE-TIME)")
	fl.BoolVar(&f.wait, "wait", false, waitHelp)
	fl.BoolVar(&f.stacks, "stacks", false, stacksHelp)
}

// addGuests adds the flags that say how guests are run.
func (f *runFlags) addGuests(fl *pflag.FlagSet) {
	fl.BoolVar(&f.snapshots, "snapshots", true, snapshotsHelp)
	fl.BoolVar(&f.fresh, "fresh", false, freshHelp)
	fl.DurationVar(&f.silence, "silence", vm.SilenceTime, silenceHelp)
}

func (f *runFlags) addVariants(fl *pflag.FlagSet) {
	fl.StringSliceVar(&f.variants, "variants", nil, "only these variants")
}

// addChoice adds the flags that say what is run.
func (f *runFlags) addChoice(fl *pflag.FlagSet, target, profile string) {
	where := "where trials run: host, vm (a guest) or exact (a guest whose clock counts instructions)"
	if target == "" {
		where += " (default: the experiment's first)"
	}
	fl.StringVar(&f.target, "target", target, where)
	fl.StringSliceVar(&f.with, "with", nil, "folders whose sources and objects (NAME.bpf.c, NAME.bpf.o) are variants, too")
	fl.StringVar(&f.clang, "clang", "", "the compiler of sources (default: the first clang that is installed)")
	fl.StringSliceVar(&f.kernels, "kernel", nil, "kernels of the guests, one run for each: a suite, a version, an image, a build tree (see kxlab vm)")
	fl.IntVar(&f.cpus, "cpus", 0, "virtual CPUs of the guests (0: as many as the experiment says)")
	fl.StringVar(&f.profile, "profile", profile, profileHelp)
	fl.StringSliceVar(&f.workloads, "workload", nil, "only these workloads")
	fl.StringArrayVar(&f.axes, "axis", nil, "values of an axis: services=1,1000 (may be given several times)")
	fl.IntVar(&f.repeat, "repeat", 0, repeatHelp)
	fl.Uint64Var(&f.seed, "seed", 1, seedHelp)
}

// maxCPUs is how many CPUs QEMU's machine gives a guest.
const maxCPUs = 255

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

func (f runFlags) check() error {
	switch {
	case f.target != "" && !slices.Contains(harness.Targets(), f.target):
		return harness.Known("target", f.target, harness.Targets())
	case f.cpus < 0 || f.cpus > maxCPUs:
		return fmt.Errorf("--cpus %d: want 0 to %d", f.cpus, maxCPUs)
	case f.root != "" && f.root != rootHost && f.root != rootImage:
		return harness.Known("root", f.root, []string{rootHost, rootImage})
	case isRemote(f.out) && f.plan == "" && f.shard == "":
		return fmt.Errorf("--out %s: only shards go there; a run is written to a folder, and %s put copies it from there", f.out, storeTool)
	case f.silence <= 0:
		return fmt.Errorf("--silence %v: want more than 0, such as 30s", f.silence)
	}
	for i, k := range f.kernels {
		if err := vm.CheckName(k); err != nil {
			return err
		}
		if slices.Contains(f.kernels[:i], k) {
			return fmt.Errorf("--kernel: %s is named twice", k)
		}
	}
	return nil
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
		e, objects, err := adopt(e)
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

// parseAxes reads the flags --axis.
func (f runFlags) parseAxes() (out []harness.Axis, err error) {
	for _, a := range f.axes {
		name, values, ok := strings.Cut(a, "=")
		if !ok {
			return nil, fmt.Errorf("axis %q: want NAME=VALUE,VALUE", a)
		}
		out = append(out, harness.Axis{Name: name, Values: strings.Split(values, ",")})
	}
	return out, nil
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
