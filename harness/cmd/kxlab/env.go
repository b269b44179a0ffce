// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/host"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/vm"
)

// newEnv is the record's head of a run that begins.
func newEnv(ctx context.Context, j job, f runFlags) (record.Env, error) {
	facts, err := host.ReadFacts(ctx)
	if err != nil {
		return record.Env{}, err
	}
	claims, err := experiments.Claims()
	if err != nil {
		return record.Env{}, err
	}
	version, commit := build()
	p := j.plan
	e := p.Experiment
	env := record.Env{
		Experiment: e.Name, Target: p.Target, Kernel: facts.Kernel, CPU: facts.CPU,
		Started: time.Now(), Commit: commit, Version: version, Command: append([]string{"kxlab"}, os.Args[1:]...),
		Profile: f.profile, Repeats: f.repeat, Seed: f.seed, CPUs: facts.CPUs, MemBytes: facts.MemBytes,
		KernelFacts: facts.Settings, Tools: facts.Tools, Mitigations: facts.Mitigations, Objects: map[string]string{},
		Plan: p.Trials(), Budgets: budgets(p),
		Title: e.Title, Question: e.Question, Baseline: e.Baseline, Ask: e.Ask, Answers: e.Answers, AnswerPlot: e.AnswerPlot, Variants: withoutContents(e.Variants), Workloads: e.Workloads, Plots: e.Plots, Claims: claims, Scores: e.Scores, Laws: e.Laws,
	}
	if p.AA != "" {
		env.AA = []string{p.AA}
	}
	if j.guests != nil {
		if env.QEMU, err = vm.QEMUVersion(ctx); err != nil {
			return env, err
		}
		env.Kernel, env.CPU, env.CPUs, env.MemBytes = j.guests.kernel.Release, j.guests.cpu(facts.CPU), j.guests.cpus, uint64(j.guests.memory)
		env.KernelFacts, env.Mitigations = map[string]string{"from": j.guests.kernel.From, "root": j.guests.root()}, nil
	}
	if env.Repeats == 0 {
		profile, _ := harness.Find(e.Profiles, func(pr harness.Profile) bool { return pr.Name == f.profile })
		env.Repeats = profile.Repeats
	}
	for _, v := range e.Variants {
		if raw, err := bpf.Bytes(v.Object); err == nil {
			sum := sha256.Sum256(raw)
			env.Objects[v.Object] = "sha256:" + hex.EncodeToString(sum[:])
		}
		if v.Command == nil {
			continue
		}
		for _, f := range v.Command.Contents {
			sum := sha256.Sum256(f.Content)
			env.Objects[v.Name+"/"+f.Name] = "sha256:" + hex.EncodeToString(sum[:])
		}
	}
	return env, nil
}

// withoutContents are variants without the contents of their programs, of which the record has the sums.
func withoutContents(variants []harness.Variant) []harness.Variant {
	return harness.Map(variants, func(v harness.Variant) harness.Variant {
		if v.Command != nil {
			c := *v.Command
			c.Contents = nil
			v.Command = &c
		}
		return v
	})
}

// budgets are how long the plan's workloads warm up and measure, by workload and axes.
func budgets(p *runner.Plan) map[string]string {
	out := map[string]string{}
	for _, g := range p.Groups {
		for _, b := range g.Blocks {
			out[b.Workload+harness.Cell{Axes: b.Axes}.AxesName("")] = fmt.Sprintf("measure %v, warm %v", b.Measure, b.Warm)
		}
	}
	return out
}

// complement has a record of a shipped definition shown with what the definition of its name says about how: the question, the needs that are
// answered first, the plot beside the answer, and, where the record has none, the baseline and the addresses of claims. Nothing of it changes a
// measured value or a claimed figure. A definition of the user's own, and one that kxlab ab made, keeps its words.
func complement(env *record.Env) {
	e, err := experiments.Open(env.Experiment, experiments.Vocabulary{})
	own := func(word string) bool {
		return word == "ab" || filepath.Ext(word) == ".yaml" || filepath.Ext(word) == ".yml"
	}
	if err != nil || experiments.IsPath(env.Experiment) || slices.ContainsFunc(env.Command, own) {
		return
	}
	_, known := env.Variant(e.Baseline)
	if env.Baseline == "" && known {
		env.Baseline = e.Baseline
	}
	for i, v := range env.Variants {
		of, _ := harness.Find(e.Variants, func(o harness.Variant) bool { return o.Name == v.Name })
		env.Variants[i].Hue = cmp.Or(v.Hue, of.Hue)
	}
	env.Ask, env.Answers, env.AnswerPlot = e.Ask, e.Answers, e.AnswerPlot
	claims, err := experiments.Claims()
	if err != nil {
		return // the record's claims have their sources without addresses
	}
	for i, c := range env.Claims {
		now, _ := harness.Find(claims, func(o harness.Claim) bool { return o.ID == c.ID })
		env.Claims[i].URL = cmp.Or(c.URL, now.URL)
	}
}
