// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/fleet"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/vm"
)

const shardHelp = "make only this shard, such as 2/7, and keep its guests' reports for kxlab merge (with --plan default: from JOB_COMPLETION_INDEX, counted from 0, or SLURM_ARRAY_TASK_ID, counted from 1)"

// taskVariables are variables of engines that say which of many equal tasks a process is, and from which number they count.
var taskVariables = map[string]int{"JOB_COMPLETION_INDEX": 0, "SLURM_ARRAY_TASK_ID": 1}

// shardOf reads --shard: "2/7", or "2" with a plan of shards; 0: of no plan yet.
func shardOf(word string, shards int, getenv func(string) string) (shard, of int, err error) {
	if word == "" {
		shard, err = shardFromTask(getenv)
		if err == nil && shard > shards {
			err = fmt.Errorf("the engine's task is shard %d, and the plan has %s", shard, harness.Plural(shards, "shard"))
		}
		return shard, shards, err
	}
	first, second, both := strings.Cut(word, "/")
	shard, err = strconv.Atoi(first)
	of = shards
	if err == nil && both {
		of, err = strconv.Atoi(second)
	}
	switch {
	case err != nil || of == 0:
		return 0, 0, fmt.Errorf("--shard %s: want NUMBER/ALL, such as 2/7", word)
	case shards > 0 && of != shards:
		return 0, 0, fmt.Errorf("--shard %s: the plan has %s", word, harness.Plural(shards, "shard"))
	case shard < 1 || shard > of:
		return 0, 0, fmt.Errorf("--shard %s: shards are numbered from 1 to %d", word, of)
	}
	return shard, of, nil
}

// shardFromTask reads which task of an engine this process is.
func shardFromTask(getenv func(string) string) (shard int, err error) {
	found := ""
	for name, from := range taskVariables {
		text := getenv(name)
		if text == "" {
			continue
		}
		if found != "" {
			return 0, errors.New("JOB_COMPLETION_INDEX and SLURM_ARRAY_TASK_ID are both set: say --shard 2/7")
		}
		found = name
		if shard, err = strconv.Atoi(text); err != nil {
			return 0, fmt.Errorf("%s is %q: want a number", name, text)
		}
		if shard < from {
			return 0, fmt.Errorf("%s is %s: tasks are numbered from %d; with Slurm, say --array=1-N", name, text, from)
		}
		shard += 1 - from
	}
	if found == "" {
		return 0, errors.New("--plan without --shard: say which, such as --shard 2/7, or set JOB_COMPLETION_INDEX (from 0) or SLURM_ARRAY_TASK_ID (from 1)")
	}
	return shard, nil
}

// runShard makes one shard of a plan, or goes on with one that was interrupted.
func runShard(ctx context.Context, s streams, words experiments.Vocabulary, f runFlags, args []string) error {
	if f.json || f.functions || f.stacks {
		return usage(errors.New("--json, --functions and --stacks are for whole runs: a shard keeps reports, which kxlab merge reads"))
	}
	if err := f.check(); err != nil {
		return usage(err)
	}
	if isRemote(f.out) {
		if err := checkPlace(f.out); err != nil {
			return err
		}
	}
	p, shard, err := f.openPlan(ctx, s, words, args)
	if err != nil {
		return err
	}
	dir := cmp.Or(f.out, scratch(fmt.Sprintf("shard-%d-of-%d", shard, p.Shards), time.Now()))
	if isRemote(f.out) {
		if dir, err = f.copyOf(ctx, p, shard); err != nil {
			return err
		}
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	lab, err := selfSum()
	if err != nil {
		return err
	}
	h := fleet.Header{Shard: shard, Started: time.Now().UTC().Round(0), Machine: host, Lab: lab, Guests: map[string]string{}, Envs: map[string]record.Env{}}
	jobs := map[int]*job{}
	for i, r := range p.Runs {
		if !r.Has(shard) {
			continue
		}
		j, err := jobOf(r, words)
		if err != nil {
			return usage(err)
		}
		if h.Guests[r.Name], h.Envs[r.Name], err = j.identify(ctx, f.flagsOf(r)); err != nil {
			return err
		}
		jobs[i] = &j
	}
	place := cmp.Or(f.out, dir)
	sh, err := fleet.Begin(dir, p, h)
	if err != nil {
		return harness.Wrap(err, "--out %s", place)
	}
	defer sh.Close()
	for _, err := range sh.Mended {
		s.note("%v: its guest runs again", err)
	}
	what := fmt.Sprintf("shard %d of %d (%s)", shard, p.Shards, place)
	there := sh.Complete
	if !there {
		if err := makeJobs(ctx, s, f, sh, jobs); err != nil {
			return fmt.Errorf("%s is half made, and goes on if it is run again with --out %s: %w", what, place, err)
		}
	}
	if isRemote(f.out) {
		if _, err := store(ctx, s, "put", dir, f.out); err != nil {
			return fmt.Errorf("%s is complete, but not at its place: the same command puts it there (%s): %w", what, dir, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	if there {
		s.note("%s is complete already", what)
		return nil
	}
	all := above(place)
	if isRemote(all) {
		all = "'" + all + "'" // a shell would take its ? and &
	}
	guests, trials := p.Of(shard)
	s.note("%s is complete: %s, %s; when all shards are there: kxlab merge %s", what, harness.Plural(guests, "guest"), harness.Plural(trials, "trial"), all)
	return nil
}

// makeJobs runs the guests of a shard, by runs of its plan.
func makeJobs(ctx context.Context, s streams, f runFlags, sh *fleet.Shard, jobs map[int]*job) error {
	for i, r := range sh.Plan.Runs {
		if j := jobs[i]; j != nil {
			if len(sh.Plan.Runs) > 1 {
				s.note("run %s", r.Name)
			}
			if err := j.makeShard(ctx, s, f.flagsOf(r), sh, i); err != nil {
				return err
			}
		}
	}
	return sh.Finish()
}

// above is the folder or place that holds a shard's and those of the others, if they are named alike.
func above(place string) string {
	if !isRemote(place) {
		return filepath.Dir(filepath.Clean(place))
	}
	base, query, parameters := strings.Cut(place, "?")
	if strings.HasPrefix(base, "oci:") {
		base = base[:strings.LastIndex(base, ":")]
	} else {
		base = base[:strings.LastIndex(strings.TrimSuffix(base, "/"), "/")]
	}
	if parameters {
		base += "?" + query
	}
	return base
}

// copyOf is the folder in which a shard for a place is made: the same each time, so that one that was killed goes on. It has what is at the place,
// if that can be had.
func (f runFlags) copyOf(ctx context.Context, p *fleet.Plan, shard int) (dir string, err error) {
	sum, err := p.Sum()
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(sum + f.out))
	dir = filepath.Join("results", "scratch", fmt.Sprintf("shard-%d-of-%d-%x", shard, p.Shards, digest[:6]))
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		silent := streams{out: io.Discard, err: io.Discard}
		_, err = store(ctx, silent, "get", f.out, dir) // most often nothing is there; put says what else is wrong
		if ctx.Err() != nil {
			return "", err
		}
		if err == nil {
			if err := checkCopy(dir, sum, shard); err != nil {
				return "", errors.Join(fmt.Errorf("--out %s: %w: name another place", f.out, err), os.RemoveAll(dir))
			}
		}
	}
	return dir, nil
}

// checkCopy returns an error unless a folder is a shard of a plan.
func checkCopy(dir, plan string, shard int) error {
	have, err := fleet.OpenShard(dir)
	if err != nil {
		return errors.New("something else is there")
	}
	defer have.Close()
	switch {
	case have.Header.Plan != plan:
		return fmt.Errorf("a shard of another plan is there, %v", have.Plan)
	case have.Shard != shard:
		return fmt.Errorf("shard %d is there", have.Shard)
	}
	return nil
}

// planError is an error of a plan's file: wrong usage, unless the file is missing or damaged.
func planError(err error) error {
	if damaged := (*json.SyntaxError)(nil); errors.Is(err, fs.ErrNotExist) || errors.As(err, &damaged) {
		return err
	}
	return withCode(codeUsage, err)
}

// openPlan reads the plan of --plan, or makes that of the experiments, and finds which shard is asked for.
func (f runFlags) openPlan(ctx context.Context, s streams, words experiments.Vocabulary, args []string) (p *fleet.Plan, shard int, err error) {
	if f.plan != "" {
		if p, err = fleet.ReadPlan(f.plan); err != nil {
			return nil, 0, planError(err)
		}
		shard, _, err = shardOf(f.shard, p.Shards, os.Getenv)
		return p, shard, usage(err)
	}
	shard, of, err := shardOf(f.shard, 0, os.Getenv)
	if err != nil {
		return nil, 0, usage(err)
	}
	f.target = cmp.Or(f.target, harness.TargetExact)
	jobs, err := f.jobs(ctx, s, args, withObjects(ctx, words, f.clang), time.Now())
	if err != nil {
		return nil, 0, err
	}
	p, err = f.planOf(jobs, of)
	return p, shard, usage(err)
}

// identify opens the guests of a job and returns their identity, and the head of the record.
func (j *job) identify(ctx context.Context, f runFlags) (identity string, env record.Env, err error) {
	if j.guests, err = openGuests(ctx, *j, f); err != nil {
		return "", env, err
	}
	if j.guests.reports, err = openReports(f.fresh); err != nil {
		return "", env, err
	}
	c, err := j.guests.command(runner.Job{Experiment: j.plan.Experiment})
	if err != nil {
		return "", env, err
	}
	if identity, err = c.Identity(ctx); err != nil {
		return "", env, err
	}
	env, err = newEnv(ctx, *j, f)
	return identity, env, err
}

// makeShard runs the guests of a shard that are of one run of the plan.
func (j *job) makeShard(ctx context.Context, s streams, f runFlags, sh *fleet.Shard, run int) error {
	r := sh.Plan.Runs[run]
	tape := &tape{
		run: r, boot: j.guests.boot,
		read: func(guest, attempt int) (fleet.Attempt, error) { return sh.Attempt(run, guest, attempt) },
		keep: func(guest, attempt int, a fleet.Attempt) error { return sh.Keep(run, guest, attempt, a) },
	}
	o := runner.GuestOptions{
		Record: nothing{}, Objects: j.objects, Seed: r.Seed, Progress: s.progress(), Boot: tape.guest,
		Died: died(j.family, j.guests.kernel.Release),
		Only: func(job string) bool { g := r.Job(job); return g >= 0 && r.Guests[g].Shard == sh.Shard },
	}
	var once sync.Once
	j.guests.ready = func(r vm.Ready) {
		if r.Calibration != nil {
			once.Do(func() { sh.Note(r.Calibration.String()) })
		}
	}
	j.guests.note = func(text string) { s.note("%s", text) }
	o.Parallel = j.guests.parallel()
	_, err := runner.RunGuests(ctx, j.plan, j.selection, cutInto(r.Experiment.Guest, o))
	return err
}
