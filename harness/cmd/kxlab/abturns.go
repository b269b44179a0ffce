// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/harness/turns"
)

// A turnFamily has workloads that can be cut into turns of a tenth of a second.
type turnFamily interface{ TurnWorkloads() []string }

const (
	// turnMinEffect is the least difference that counts: one of 5 % is measured as 3 to 7 %.
	turnMinEffect = 0.02
	// A cell has so many set-ups with so many pairs of turns each, or those that fit into turnWithin: with both gates within a minute.
	turnSetups  = 12
	turnPairs   = 32
	turnWarm    = 5 * time.Millisecond
	turnMeasure = 30 * time.Millisecond
	turnWithin  = 40 * time.Second
)

// planTurns plans two variants whose trials are short and alternate within one set-up: a row for each cell and metric.
func (p *pair) planTurns(words experiments.Vocabulary, f abFlags) (plan lapPlan, err error) {
	sel := runner.Selection{Profile: f.profile, Target: f.target, Workloads: f.workloads, WithoutAA: true}
	if sel.Axes, err = f.parseAxes(); err != nil {
		return plan, err
	}
	j, err := newJob(p.experiment, sel, words)
	if err != nil {
		return plan, err
	}
	o := turns.Options{
		Setups: turnSetups, Pairs: turnPairs, Within: turnWithin,
		Budget: harness.Budget{Warm: turnWarm, Measure: turnMeasure, Seed: f.seed},
	}
	if f.repeat > 0 {
		o.Setups, o.Within = f.repeat, 0
	}
	if o.Setups < 4 || o.Setups%2 != 0 {
		return plan, fmt.Errorf("--repeat %d: what takes turns is set up an even number of times, at least 4", f.repeat)
	}
	cells := 0
	for _, g := range j.plan.Groups {
		cells += len(g.Blocks)
	}
	each := time.Duration(o.Setups) * (time.Second + time.Duration(2*o.Pairs)*(turnWarm+turnMeasure+15*time.Millisecond))
	note := fmt.Sprintf("%d set-ups with %d turns of each side at %s, about %v", o.Setups, o.Pairs, harness.Plural(cells, "cell"),
		(time.Duration(cells)*each + 5*time.Second).Round(time.Second))
	return lapPlan{note, turnMinEffect, func(ctx context.Context, s streams) (page.LapAnswer, error) {
		o.Note = func(text string) { s.note("%s", rename(text, p.namesOf(0, 1))) }
		answer := page.LapAnswer{
			Gates: []string{"A: " + p.words[0] + ": gate passed", "B: " + p.words[1] + ": gate passed"},
			Title: "Turns within one set-up", Footer: "medians of turns; intervals over set-ups, at 95 % for all rows of a cell together",
		}
		for _, g := range j.plan.Groups {
			for _, b := range g.Blocks {
				rows, err := p.turnRows(ctx, j, g, b, o)
				if err != nil {
					return answer, err
				}
				answer.Laps = append(answer.Laps, rows...)
			}
		}
		return answer, nil
	}}, nil
}

// turnRows compares one cell.
func (p *pair) turnRows(ctx context.Context, j job, g runner.Group, b runner.Block, o turns.Options) (out []page.Lap, err error) {
	group := harness.Group{Axes: g.Axes, Seed: o.Budget.Seed, Data: p.experiment.Data,
		Members: []harness.Member{{Name: p.a.Name, Variant: p.a}, {Name: p.b.Name, Variant: p.b}}}
	cell := harness.Cell{Experiment: p.experiment.Name, Workload: b.Workload, Axes: b.Axes}
	found, err := turns.Compare(ctx, j.family, group, cell, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Workload, p.sideError(err))
	}
	workload, _ := p.experiment.Workload(b.Workload)
	at := cell.At()
	for _, c := range found {
		m, _ := harness.Find(workload.Metrics, func(m harness.MetricSpec) bool { return m.Unit == c.Unit })
		out = append(out, page.Lap{At: at, A: c.A, B: c.B, Change: c.Change, Low: c.Low, High: c.High,
			DiffLow: c.A * c.Low, DiffHigh: c.A * c.High, Loads: c.Setups, Unit: c.Unit, Better: m.Better})
	}
	return out, nil
}
