// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/fleet"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/vm"
)

const planLong = `plan cuts the runs of experiments in exact guests into shards, which several machines can make: it writes a file that lists
each guest with its cells, kernel and seed once. A shard is made by kxlab run --plan FILE --shard 2/7, on a machine with the same version of kxlab,
QEMU and kernels; kxlab merge puts the shards together. The result is that of one machine, to the byte, whatever the number of shards.

Only target exact is cut: its digits depend on no machine. On host and vm, run the whole experiment on each machine, and compare the runs.`

func newPlan(s streams, words experiments.Vocabulary) *cobra.Command {
	var f runFlags
	var shards int
	var out string
	cmd := &cobra.Command{
		Use: "plan EXPERIMENT...", Short: "Cut runs into shards for several machines", Long: planLong,
		Args: cobra.MinimumNArgs(1), ValidArgs: experiments.Names(),
		Example: `  kxlab plan lb cc --profile smoke --shards 8 --out plan.json
  kxlab plan objects --kernel 6.1,6.12,7.2 --shards 3 > plan.json
  kxlab run --plan plan.json --shard 1/8 --out shards/1
  kxlab merge shards`,
		RunE: action(func(cmd *cobra.Command, args []string) error {
			f.silence = time.Second // it boots no guest
			if err := f.check(); err != nil {
				return usage(err)
			}
			f.target = cmp.Or(f.target, harness.TargetExact)
			jobs, err := f.jobs(cmd.Context(), s, args, withObjects(cmd.Context(), words, f.clang), time.Now())
			if err != nil {
				return err
			}
			p, err := f.planOf(jobs, shards)
			if err != nil {
				return usage(err)
			}
			raw, err := p.Encode()
			if err != nil {
				return err
			}
			if err := writeOut(s, out, raw); err != nil {
				return err
			}
			for _, k := range f.kernels { // another machine may have it
				if have, err := vm.Find(k); have == nil {
					s.note("%v", cmp.Or(err, fmt.Errorf("kernel %s is not on this machine: each machine that makes a shard fetches it", k)))
				}
			}
			if out != stdout {
				describePlan(s, p, out)
			}
			return nil
		}),
	}
	fl := cmd.Flags()
	f.addChoice(fl, harness.TargetExact, "quick")
	f.addVariants(fl)
	fl.Lookup("kernel").Usage += "; --kernels is the same"
	fl.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "kernels" {
			name = "kernel"
		}
		return pflag.NormalizedName(name)
	})
	fl.IntVar(&shards, "shards", 1, "how many shards")
	fl.StringVar(&out, "out", stdout, "the plan's file, which is new; -: standard output")
	return cmd
}

func describePlan(s streams, p *fleet.Plan, path string) {
	all, empty := 0, 0
	for n := 1; n <= p.Shards; n++ {
		guests, trials := p.Of(n)
		if all += guests; guests == 0 {
			empty++
			continue
		}
		s.note("shard %d of %d: %s, %s", n, p.Shards, harness.Plural(guests, "guest"), harness.Plural(trials, "trial"))
	}
	if empty > 0 {
		s.note("%d of %s are empty: the plan has %s, and no guest is cut", empty, harness.Plural(p.Shards, "shard"), harness.Plural(all, "guest"))
	}
	s.note("each is made by: kxlab run --plan %s --shard 1/%d --out shards/1; and when all are there: kxlab merge shards", path, p.Shards)
}

// planOf cuts jobs into shards.
func (f runFlags) planOf(jobs []job, shards int) (*fleet.Plan, error) {
	var runs []fleet.Run
	var tasks [][]runner.Task
	used := map[string]int{}
	for _, j := range jobs {
		if j.plan.Target != harness.TargetExact {
			return nil, fmt.Errorf("target %s: only runs on target exact are cut, whose digits depend on no machine; run the others whole on each machine, and compare them", j.plan.Target)
		}
		e := j.plan.Experiment
		name := e.Name
		if j.kernel != "" && len(f.kernels) > 1 {
			name += "-" + j.kernel
			if harness.CheckName("kernel", j.kernel) != nil { // a path
				name = fmt.Sprintf("%s-kernel%d", e.Name, used[e.Name]+1)
			}
		}
		used[e.Name]++
		r := fleet.Run{Name: name, Kernel: j.kernel, CPUs: f.cpus, Seed: f.seed, Selection: j.selection, Objects: j.objects, Experiment: e}
		runs, tasks = append(runs, r), append(tasks, tasksOf(j.plan, r))
	}
	for i := range runs { // the same experiment, named twice
		for k := range i {
			if runs[k].Name == runs[i].Name {
				return nil, fmt.Errorf("experiment %s is named twice", runs[i].Name)
			}
		}
	}
	return fleet.New(runs, tasks, shards)
}

// tasksOf are the guests of a run of a plan.
func tasksOf(p *runner.Plan, r fleet.Run) []runner.Task {
	return runner.Tasks(p, r.Selection, cutInto(r.Experiment.Guest, runner.GuestOptions{Seed: r.Seed, Objects: r.Objects}))
}

// jobOf makes the job of a run of a plan.
func jobOf(r fleet.Run, words experiments.Vocabulary) (job, error) {
	family := words.Families[cmp.Or(r.Experiment.Family, r.Experiment.Name)]
	if family == nil {
		return job{}, fmt.Errorf("run %s: this program has no family %q", r.Name, cmp.Or(r.Experiment.Family, r.Experiment.Name))
	}
	if r.Selection.Target != harness.TargetExact {
		return job{}, fmt.Errorf("run %s: it is on target %s", r.Name, r.Selection.Target)
	}
	p, err := runner.NewPlan(r.Experiment, r.Selection)
	if err != nil {
		return job{}, fmt.Errorf("run %s: %w", r.Name, err)
	}
	if err := r.CheckTasks(tasksOf(p, r)); err != nil {
		return job{}, err
	}
	for name, raw := range r.Objects {
		bpf.Add(name, raw)
	}
	return job{plan: p, selection: r.Selection, family: family, kernel: r.Kernel, objects: r.Objects}, nil
}

// flagsOf are the flags of a run of a plan, beside those of the command line.
func (f runFlags) flagsOf(r fleet.Run) runFlags {
	f.profile, f.repeat, f.seed, f.cpus = r.Selection.Profile, r.Selection.Repeats, r.Seed, r.CPUs
	return f
}

// checkPlanned returns an error for words and flags beside --plan, which the plan has.
func checkPlanned(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q beside --plan: the plan says which experiments are run", args[0])
	}
	choice := &cobra.Command{}
	var unused runFlags
	unused.addChoice(choice.Flags(), "", "")
	unused.addVariants(choice.Flags())
	var err error
	cmd.Flags().Visit(func(fl *pflag.Flag) {
		if choice.Flags().Lookup(fl.Name) != nil {
			err = errors.Join(err, fmt.Errorf("--%s beside --plan: the plan says what is run", fl.Name))
		}
	})
	return err
}
