// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/harness/sampler"
)

// stacksVersion changes when equal guests give other profiles.
const stacksVersion = 1

// Time between two samples on a CPU. On target exact it is short, because windows are, and no multiple of a usual number of
// instructions. An emulated guest cannot carry as many.
const (
	periodHost  = 250 * time.Microsecond
	periodVM    = time.Millisecond
	periodExact = 99_991 * time.Nanosecond
)

const stacksHelp = "make one more trial of each cell, in which stacks are sampled: flame graphs and pprof files of the time on and off the CPU, in the folder stacks of the run directory (--functions counts instead, without stacks, and has every instruction)"

// sampleGuest is the runner.OpenSampler of guests.
func sampleGuest(exact bool) (runner.Recording, error) {
	o := sampler.Options{Period: periodVM, All: true, Symbols: true}
	if exact { // the kernel's symbols are the same in all guests
		n := time.Duration(runtime.NumCPU())
		o = sampler.Options{Period: n * n * periodExact, All: true} // CPUs share one clock, and each has its samples
	}
	return openSampler(o)
}

// sampleHost is the runner.OpenSampler of this machine.
func sampleHost(bool) (runner.Recording, error) {
	return openSampler(sampler.Options{Period: periodHost, Symbols: true, Group: owner.Prefix + owner.Self() + "-"})
}

func openSampler(o sampler.Options) (runner.Recording, error) {
	s, err := sampler.Open(o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// recordMore makes the trials of a finished run that are not measured.
func (j *job) recordMore(ctx context.Context, s streams, f runFlags, sum runner.Summary, w *record.Writer) error {
	if f.functions {
		if err := j.recordFunctions(ctx, s, f, sum, w); err != nil {
			return err
		}
	}
	if f.stacks {
		return j.recordStacks(ctx, s, f, sum, w)
	}
	return nil
}

// recordStacks samples the stacks of the measured cells of a finished run, and records the profiles. Notes say what the sampler added, what there
// is none of, and why.
func (j *job) recordStacks(ctx context.Context, s streams, f runFlags, sum runner.Summary, w *record.Writer) error {
	measured := harness.Filter(sum.Outcomes, func(o record.CellOutcome) bool {
		c, err := record.ParseCell(j.plan.Experiment.Name, o.Cell)
		return o.Outcome == harness.OutcomeMeasured && err == nil && !strings.HasSuffix(c.Variant, harness.SuffixAA) // which is another's copy
	})
	s.note("%s: one more trial of %s, to sample stacks", j.plan.Experiment.Name, harness.Plural(len(measured), "cell"))
	run, err := record.Open(j.dir)
	if err != nil {
		return err
	}
	costs := samplerCosts{measured: run}
	profiles, errs := j.sampleStacks(ctx, f, harness.Map(measured, func(o record.CellOutcome) string { return o.Cell }), costs.add)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	texts := harness.Map(errs, func(err error) string { return firstOf(err.Error()) })
	if text := costs.String(); text != "" {
		texts = append(texts, text)
	}
	var noted []error
	for _, text := range texts {
		s.note("%s: stacks: %s", j.plan.Experiment.Name, text)
		noted = append(noted, w.Note("stacks: %s", text))
	}
	return errors.Join(append(noted, w.Stacks(profiles))...)
}

// sampleStacks makes one more trial of cells, in which stacks are sampled. about returns a note about each, or "". The errors are one for each
// cell, or group of cells, that has no profile.
func (j *job) sampleStacks(ctx context.Context, f runFlags, cells []string, about func(runner.CountedTrial) string) (out []profile.Profile, errs []error) {
	jobs, err := runner.StackJobs(j.plan, j.selection, f.seed, j.objects, cells...)
	if err != nil {
		return nil, []error{err}
	}
	unit := "ns"
	var kernel profile.Kernel
	if j.plan.Target == harness.TargetExact {
		unit = "insn"
		if kernel, err = j.guests.symbols(ctx); err != nil { // functions stay without names
			errs = append(errs, err)
		}
	}
	attempts, failed := j.sampleJobs(ctx, jobs)
	for i, sj := range jobs {
		if failed[i] != nil {
			errs = append(errs, failed[i])
			continue
		}
		for _, cell := range sj.Counted {
			a, err := bestAttempt(attempts[i], cell.Cell)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			own := profilesOf(a, unit, kernel)
			if text := about(a); text != "" {
				for i := range own {
					own[i].Notes = append(own[i].Notes, text)
				}
			}
			out = append(out, own...)
		}
	}
	return out, errs
}

// sampleJobs runs jobs whose stacks are sampled: on target exact as many at a time as other guests, else one after another.
func (j *job) sampleJobs(ctx context.Context, jobs []runner.Job) ([][]runner.CountedTrial, []error) {
	attempts, errs := make([][]runner.CountedTrial, len(jobs)), make([]error, len(jobs))
	var all sync.WaitGroup
	for i, sj := range jobs {
		one := func() {
			var lines []byte
			if lines, errs[i] = j.sampleJob(ctx, sj); errs[i] == nil {
				attempts[i], errs[i] = runner.ReadCounted(lines)
			}
		}
		if j.plan.Target == harness.TargetExact {
			all.Go(one)
		} else {
			one()
		}
	}
	all.Wait()
	return attempts, errs
}

// sampleJob runs a job whose stacks are sampled, and returns its report. That of an earlier exact guest is kept.
func (j *job) sampleJob(ctx context.Context, sj runner.Job) ([]byte, error) {
	var lines bytes.Buffer
	if j.guests == nil {
		err := runner.Sample(ctx, sj, map[string]harness.Family{cmp.Or(sj.Experiment.Family, sj.Experiment.Name): j.family}, sampleHost, &lines)
		return lines.Bytes(), err
	}
	c, err := j.guests.command(sj)
	if err != nil {
		return nil, err
	}
	sample := func() ([]byte, error) {
		c.Stdout, c.OnReady = &lines, nil
		err := j.guests.alone(ctx, c)
		return lines.Bytes(), err
	}
	if !j.guests.exact {
		return sample()
	}
	return j.guests.keptOnce(ctx, c, fmt.Sprintf("stacks%d", stacksVersion), sample)
}

// bestAttempt is the first attempt at a cell that counts, or else the last with stacks.
func bestAttempt(attempts []runner.CountedTrial, cell string) (best runner.CountedTrial, err error) {
	reason := "no trial was made"
	found := false
	for _, a := range attempts {
		if a.Cell != cell {
			continue
		}
		reason = cmp.Or(a.Invalid, reason)
		if a.Result.Stacks == nil || a.Result.Stacks.Windows == 0 {
			continue
		}
		if best, found = a, true; a.Invalid == "" {
			break
		}
	}
	if !found && reason == "no trial was made" && slices.ContainsFunc(attempts, func(a runner.CountedTrial) bool { return a.Cell == cell }) {
		reason = "the workload does not say when it measures"
	}
	if !found {
		return best, fmt.Errorf("%s: %s", cell, reason)
	}
	return best, nil
}

// profilesOf are the profiles of a trial.
func profilesOf(a runner.CountedTrial, unit string, kernel profile.Kernel) []profile.Profile {
	s := *a.Result.Stacks
	if a.Invalid != "" {
		s.Notes = append(s.Notes, "the trial would not have counted: "+firstOf(a.Invalid))
	}
	out := profile.Profiles(a.Cell, unit, s, kernel)
	per := unitOfWork(a.Result.Metrics)
	for i := range out {
		if unit == "insn" && out[i].Kind == profile.OnCPU {
			out[i].Notes = append(out[i].Notes, "the sampler's own instructions are among them: take shares from here, and amounts from the run's tables")
		}
		if per != "" && a.Result.Iterations > 0 {
			out[i].Per, out[i].Work = per, float64(a.Result.Iterations)
		}
	}
	return out
}

// unitOfWork is the unit of work that a workload's metrics are of, "pkt" of "pkt/s" or "insn/pkt"; "" if it has none.
func unitOfWork(metrics []harness.Metric) string {
	for _, m := range metrics {
		of, per, _ := strings.Cut(m.Unit, "/")
		for _, word := range []string{"pkt", "conn", "req", "op", "run", "seg"} {
			if of == word && per == "s" || per == word && of != "broken" {
				return word
			}
		}
	}
	return ""
}

// stackDiffs writes the differential flame graphs of two runs that sampled stacks, or of the sides of a pair, and says where they are.
func stackDiffs(s streams, before, after *record.Run, a, b string, pair bool) error {
	dir, err := page.WriteStackDiffs(before, after, a, b, pair)
	if err == nil && dir != "" {
		s.note("differential flame graphs are in %s", dir)
	}
	return err
}

// stackFiles writes the flame graphs of both sides of a pair, A and B by the user's words: both runs have the variant under A's name.
func (p *pair) stackFiles(s streams, runs [2]*record.Run, a, b string) error {
	return errors.Join(
		page.WriteStackFiles(runs[0], map[string]string{p.a.Name: "A-" + a}), page.WriteStackFiles(runs[1], map[string]string{p.a.Name: "B-" + b}),
		stackDiffs(s, runs[0], runs[1], a, b, true),
	)
}
