// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/fleet"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
)

const mergeLong = `merge puts the shards of a plan together: one run directory, or one for each run of the plan. Its bench.txt is to the byte that of
one machine which ran everything. DIR is a folder that kxlab run --shard wrote, or holds some, or a place from which kxlab-store gets them, such as
s3://BUCKET/PREFIX.

A shard that is missing, twice there, half made, damaged, of another plan, or made by another version of kxlab, kernel or QEMU is named, and
nothing is put together. With --allow-partial the rest is, and the record says what it lacks and is not complete: cells without their gate or a
trial are invalid, with the reason.`

func newMerge(s streams, words experiments.Vocabulary) *cobra.Command {
	var f runFlags
	var partial bool
	cmd := &cobra.Command{
		Use: "merge DIR...", Short: "Put the shards of a plan together", Long: mergeLong, Args: cobra.MinimumNArgs(1),
		Example: `  kxlab merge shards
  kxlab merge shards/1 shards/2 --out results/scratch/merged
  kxlab merge s3://bucket/run/shards
  kxlab merge shards --allow-partial`,
		RunE: action(func(cmd *cobra.Command, args []string) error {
			if isRemote(f.out) {
				return usage(fmt.Errorf("--out %s: merge writes to a folder; %s put copies it from there", f.out, storeTool))
			}
			dirs, copies, err := fetched(cmd.Context(), s, args, partial)
			defer copies.close()
			if err != nil {
				return err
			}
			set, faults, err := fleet.Gather(dirs)
			if err != nil {
				return copies.rename(err)
			}
			defer set.Close()
			faults = append(copies.faults, harness.Map(faults, copies.rename)...)
			if len(faults) > 0 && !partial {
				return fmt.Errorf("the shards are not a whole plan (--allow-partial puts together what is there):\n  %s", lines(faults))
			}
			for _, fault := range faults {
				s.note("%s", oneLine(fault))
			}
			return copies.rename(merge(cmd.Context(), s, words, f, set, faults))
		}),
	}
	fl := cmd.Flags()
	fl.BoolVar(&partial, "allow-partial", false, "put together what is there, and record what is not")
	fl.StringVar(&f.out, "out", "", "run directory, which holds a folder for each run if the plan has several (default results/scratch/merged-TIME)")
	fl.BoolVar(&f.all, "all", false, allHelp)
	return cmd
}

// lines are errors, a line each.
func lines(errs []error) string {
	return strings.Join(harness.Map(errs, oneLine), "\n  ")
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// partOf is the record's word for a set that lacks guests; "": it lacks none.
func partOf(set *fleet.Set) string {
	if set.Whole() == set.Plan.Shards {
		return ""
	}
	return fmt.Sprintf("%d of %s", set.Whole(), harness.Plural(set.Plan.Shards, "shard"))
}

// merge records the runs of a set's plan, and shows each.
func merge(ctx context.Context, s streams, words experiments.Vocabulary, f runFlags, set *fleet.Set, faults []error) error {
	dir := cmp.Or(f.out, scratch("merged", time.Now()))
	if err := errors.Join(clearHalf(dir, set.Plan), record.CheckEmpty(dir)); err != nil {
		return err
	}
	var errs []error
	for i, r := range set.Plan.Runs {
		j, err := jobOf(r, words)
		if err != nil {
			return err
		}
		j.dir = dir
		if len(set.Plan.Runs) > 1 {
			j.dir = filepath.Join(dir, r.Name)
		}
		sum, err := j.merge(ctx, s, set, i, faults)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		a, err := show(s, j.dir, textFormat(f.all))
		err = errors.Join(err, wrongError(j, sum))
		if err == nil {
			err = scoreError(a)
		}
		errs = append(errs, err)
	}
	return worst(errs)
}

// clearHalf removes from a folder what a merge that was killed, or had no space, left there: run directories of merge that are not complete.
func clearHalf(dir string, p *fleet.Plan) error {
	dirs := []string{dir}
	if len(p.Runs) > 1 {
		dirs = harness.Map(p.Runs, func(r fleet.Run) string { return filepath.Join(dir, r.Name) })
	}
	for _, d := range dirs {
		r, err := record.Open(d)
		if err != nil || r.Env.Complete || r.Env.Partial != "" || len(r.Env.Command) < 2 || r.Env.Command[1] != "merge" {
			continue
		}
		if err := record.Clear(d); err != nil {
			return err
		}
		if len(p.Runs) > 1 {
			if err := os.Remove(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// merge records one run of a set's plan.
func (j *job) merge(ctx context.Context, s streams, set *fleet.Set, run int, faults []error) (sum runner.Summary, err error) {
	r := set.Plan.Runs[run]
	env, ok := set.Env(r.Name)
	if !ok {
		return sum, fmt.Errorf("run %s: no shard has a guest of it", r.Name)
	}
	env.Command, env.Started, env.Updated = append([]string{"kxlab"}, os.Args[1:]...), time.Time{}, time.Time{}
	env.Partial = partOf(set)
	took := set.Took(run)
	env.TotalSec = took.Seconds()
	w, err := record.Create(j.dir, env)
	if err != nil {
		return sum, err
	}
	defer func() {
		if cerr := w.Close(); err == nil { // else most often the same error again
			err = cerr
		}
	}()
	for _, text := range append(set.Notes(), fmt.Sprintf("put together from %s, made on %s",
		cmp.Or(env.Partial, harness.Plural(set.Plan.Shards, "shard")), strings.Join(set.Machines(), ", "))) {
		err = cmp.Or(err, w.Note("%s", text))
	}
	for _, fault := range faults {
		err = cmp.Or(err, w.Note("%s", oneLine(fault)))
	}
	if err != nil {
		return sum, err
	}
	tape := &tape{run: r, read: func(guest, attempt int) (fleet.Attempt, error) { return set.Attempt(run, guest, attempt) }, partial: env.Partial != ""}
	quiet := s
	quiet.quiet = true
	sum, err = runner.RunGuests(ctx, j.plan, j.selection, cutInto(r.Experiment.Guest, runner.GuestOptions{
		Record: w, Objects: j.objects, Seed: r.Seed, Progress: quiet.progress(), Boot: tape.guest, Died: died(j.family, env.Kernel),
	}))
	if err != nil {
		return sum, fmt.Errorf("the run in %s is incomplete: %w", j.dir, err)
	}
	sum.Wall += took
	end := w.Finish
	if env.Partial != "" {
		end = w.Close // a part of a run stays incomplete
	}
	if err := cmp.Or(w.Note("%s", shareOf(sum, harness.TargetExact)), end()); err != nil {
		return sum, err
	}
	if sum.Count(harness.OutcomeNotSupported) == len(sum.Outcomes) {
		return sum, unsupported(lackingError(*j, sum))
	}
	return sum, nil
}
