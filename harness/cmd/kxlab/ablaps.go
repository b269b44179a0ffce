// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/prog"
	"github.com/kxlab/kxlab/harness/host"
	"github.com/kxlab/kxlab/harness/laps"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/verdict"
)

// A lapFamily can time the programs of two variants in turns.
type lapFamily interface {
	ComparePrograms(ctx context.Context, g harness.Group, flows []int, o laps.Options) ([]laps.Comparison, error)
}

// A runFamily can time programs by themselves in turns.
type runFamily interface {
	CompareRuns(ctx context.Context, g harness.Group, inputs []string, o laps.Options) ([]prog.Lap, error)
}

const (
	lapWorkload = "pps" // the workload that laps stand for
	lapFlows    = 4096
	// lapMinEffect is the least difference that counts: a difference of 1 % is measured as 0.6 to 1.4 %.
	lapMinEffect = 0.005
	// A row has so many loads, each timed for so long, or those that fit into lapWithin: with both gates within a minute.
	lapLoads  = 200
	lapTime   = 50 * time.Millisecond
	lapWithin = 50 * time.Second
	lapLoad   = 250 * time.Millisecond // of a quiet machine for a load of both, all in all
)

// lapAxes are those of programs timed alone.
var lapAxes = []string{"flows", "ip", "services"}

// inTurns returns the way to plan a pair that takes turns on this machine: two programs by themselves, two XDP or tc programs with no other
// workload or axis asked for than those alone have, or two variants in workloads that can be cut into turns; nil if it is measured by
// trials.
func (p *pair) inTurns(words experiments.Vocabulary, f abFlags) func(experiments.Vocabulary, abFlags) (lapPlan, error) {
	otherAxis := slices.ContainsFunc(f.axes, func(a string) bool {
		name, _, ok := strings.Cut(a, "=")
		return ok && !slices.Contains(lapAxes, name)
	})
	turns, ok := words.Families[p.experiment.Family].(turnFamily)
	switch {
	case f.target != harness.TargetHost:
		return nil
	case p.kind != nil:
		return p.planRuns
	case p.timedAlone() && (len(f.workloads) == 0 || len(f.workloads) == 1 && f.workloads[0] == lapWorkload && !otherAxis):
		return p.planPrograms
	case ok && len(f.workloads) > 0 && !slices.ContainsFunc(f.workloads, func(w string) bool { return !slices.Contains(turns.TurnWorkloads(), w) }):
		return p.planTurns
	}
	return nil
}

// timedAlone reports whether both sides are XDP programs, or both tc programs that make no tunnel, which their loop could not undo.
func (p *pair) timedAlone() bool {
	return p.a.Attach == p.b.Attach && (p.a.Attach == "xdp" || p.a.Attach == "tcx" && p.a.Class != "ipip" && p.b.Class != "ipip")
}

// A lapPlan is what takes turns: a note for the user, the least difference that counts, and how it is measured.
type lapPlan struct {
	note      string
	minEffect float64
	measure   func(context.Context, streams) (page.LapAnswer, error)
}

// lapPlanOf plans rows of programs alone.
func (f abFlags) lapPlanOf(rows int, what string, measure func(context.Context, laps.Options) (page.LapAnswer, error)) (lapPlan, error) {
	o := laps.Options{Loads: lapLoads, Time: lapTime, Within: lapWithin}
	if f.repeat > 0 {
		o.Loads, o.Within = f.repeat, 0
	}
	if o.Loads < 4 || o.Loads%2 != 0 {
		return lapPlan{}, fmt.Errorf("--repeat %d: programs timed in turns are loaded an even number of times, at least 4", f.repeat)
	}
	row := time.Duration(o.Loads) * lapLoad
	if o.Within > 0 {
		row = min(row, o.Within)
	}
	note := fmt.Sprintf("up to %d loads of both programs at %s, about %v", o.Loads, what,
		(time.Duration(rows)*row + 5*time.Second).Round(time.Second))
	return lapPlan{note, lapMinEffect, func(ctx context.Context, _ streams) (page.LapAnswer, error) {
		answer, err := measure(ctx, o)
		answer.Title = "The program alone, timed in turns"
		answer.Footer = "the loop's own time is taken off; intervals at 95 %, over pairs of a load and its mirror"
		return answer, err
	}}, nil
}

// abTurns measures two sides by turns.
func (p *pair) abTurns(ctx context.Context, s streams, words experiments.Vocabulary, f abFlags, effect float64) error {
	if f.format == "junit" {
		return usage(errors.New("--format junit: not for what takes turns; take text, markdown or json, or --target exact"))
	}
	plan, err := p.inTurns(words, f)(words, f)
	if err != nil {
		return usage(err)
	}
	if err := host.RequireRoot(); err != nil {
		return err
	}
	lock, err := f.lock(ctx, s)
	if err != nil {
		return err
	}
	defer lock.Close()
	s.note("%s", plan.note)
	answer, err := plan.measure(ctx, s)
	if err != nil {
		return err
	}
	if effect == 0 {
		effect = plan.minEffect
	}
	worse := 0
	for i := range answer.Laps {
		l := &answer.Laps[i]
		if l.Judge(l.Low > 0 || l.High < 0, effect); l.Verdict == verdict.Worse {
			worse++
		}
	}
	answer.A, answer.B = p.words[0], p.words[1]
	if err := page.WriteLaps(s.out, answer, f.format); err != nil {
		return err
	}
	if n := len(answer.Differences); n > 0 && !f.allowDifference {
		return outputsDiffer(n, len(answer.Laps), answer.Differences[0])
	}
	if f.gate && worse > 0 {
		return withCode(codeRegression, fmt.Errorf("B is worse in %d of %s", worse, harness.Plural(len(answer.Laps), "row")))
	}
	return nil
}

// lapOf is a row of an answer.
func lapOf(at string, c laps.Comparison) page.Lap {
	return page.Lap{At: at, A: c.A, B: c.B, Change: c.Change, Low: c.Low, High: c.High, DiffLow: c.A * c.Low, DiffHigh: c.A * c.High, Loads: c.Loads}
}

// planPrograms plans two XDP or tc programs in the place of balancers: a row for each number of flows.
func (p *pair) planPrograms(words experiments.Vocabulary, f abFlags) (plan lapPlan, err error) {
	group, flows, err := f.lapGroup(p)
	if err != nil {
		return plan, err
	}
	family, ok := words.Families[p.experiment.Family].(lapFamily)
	if !ok {
		return plan, fmt.Errorf("experiment %s has no programs that can be timed in turns", p.experiment.Name)
	}
	measure := func(ctx context.Context, o laps.Options) (answer page.LapAnswer, err error) {
		found, err := family.ComparePrograms(ctx, group, flows, o)
		for i, c := range found {
			answer.Laps = append(answer.Laps, lapOf(fmt.Sprintf("flows=%d", flows[i]), c))
		}
		answer.Unit = "ns/pkt"
		answer.Gates = []string{"A: " + p.words[0] + ": gate passed", "B: " + p.words[1] + ": gate passed"}
		return answer, err
	}
	return f.lapPlanOf(len(flows), harness.Plural(len(flows), "number")+" of flows", measure)
}

// lapGroup reads the axes that laps have: services, ip and flows.
func (f abFlags) lapGroup(p *pair) (g harness.Group, flows []int, err error) {
	g = harness.Group{Seed: f.seed, Axes: []harness.AxisValue{{Name: "ip", Value: "4"}, {Name: "services", Value: "1"}}}
	g.Members = []harness.Member{{Name: "A", Variant: p.a}, {Name: "B", Variant: p.b}}
	flows = []int{lapFlows}
	for _, a := range f.axes {
		name, values, ok := strings.Cut(a, "=")
		switch {
		case !ok:
			return g, nil, fmt.Errorf("axis %q: want NAME=VALUE,VALUE", a)
		case name == "flows":
			flows = nil
			for _, v := range strings.Split(values, ",") {
				n, err := strconv.Atoi(v)
				if err != nil || n < 1 || n > 1<<20 {
					return g, nil, fmt.Errorf("axis flows: %q is not a number from 1 to %d", v, 1<<20)
				}
				flows = append(flows, n)
			}
		case name == "ip", name == "services":
			for i := range g.Axes {
				if g.Axes[i].Name == name {
					g.Axes[i].Value = values
				}
			}
		default:
			return g, nil, fmt.Errorf("axis %s: programs timed in turns have flows, ip and services; take --target exact for others", name)
		}
	}
	return g, flows, nil
}

// planRuns plans two programs by themselves: a row for each input.
func (p *pair) planRuns(words experiments.Vocabulary, f abFlags) (plan lapPlan, err error) {
	if !p.kind.Timed() {
		return plan, fmt.Errorf("--target host: programs by themselves of type %s are measured on target exact only; host times XDP and tc programs", p.kind.Name)
	}
	for _, w := range f.workloads {
		if err := harness.Known("workload", w, []string{p.experiment.Workloads[0].Name}); err != nil {
			return plan, err
		}
	}
	axes, err := f.parseAxes()
	if err == nil {
		err = p.checkInputs(axes)
	}
	if err != nil {
		return plan, err
	}
	inputs := p.experiment.Workloads[0].Axes[0].Values
	for _, a := range axes {
		if err := harness.Known("axis", a.Name, []string{prog.AxisInput}); err != nil {
			return plan, err
		}
		inputs = a.Values
	}
	family, ok := words.Families[p.experiment.Family].(runFamily)
	if !ok {
		return plan, fmt.Errorf("experiment %s has no programs that can be timed in turns", p.experiment.Name)
	}
	g := harness.Group{Seed: f.seed, Data: p.experiment.Data, Members: []harness.Member{{Name: "A", Variant: p.a}, {Name: "B", Variant: p.b}}}
	measure := func(ctx context.Context, o laps.Options) (answer page.LapAnswer, err error) {
		found, err := family.CompareRuns(ctx, g, inputs, o)
		for _, l := range found {
			answer.Laps = append(answer.Laps, lapOf(prog.AxisInput+"="+l.Input, l.Comparison))
			if l.Difference != "" {
				answer.Differences = append(answer.Differences, l.Input+": "+l.Difference)
			}
		}
		answer.Unit = "ns/run"
		answer.Gates = []string{fmt.Sprintf("outputs: equal for %d of %s", len(found)-len(answer.Differences), harness.Plural(len(found), "input"))}
		return answer, err
	}
	return f.lapPlanOf(len(inputs), harness.Plural(len(inputs), "input"), measure)
}
