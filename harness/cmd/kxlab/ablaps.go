// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
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

// A lapFamily can time the XDP programs of two variants in turns.
type lapFamily interface {
	CompareXDP(ctx context.Context, g harness.Group, flows []int, o laps.Options) ([]laps.Comparison, error)
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
	lapLoads  = 120
	lapTime   = 100 * time.Millisecond
	lapWithin = 45 * time.Second
)

// laps tells whether the pair is timed in turns: on this machine, two XDP programs and no other workload asked for, or two programs by
// themselves.
func (f abFlags) laps(p *pair) bool {
	return f.target == harness.TargetHost && p.kind != nil || f.target == harness.TargetHost && p.a.Attach == "xdp" && p.b.Attach == "xdp" &&
		(len(f.workloads) == 0 || len(f.workloads) == 1 && f.workloads[0] == lapWorkload)
}

// A lapPlan is what is timed in turns: rows of what, and how.
type lapPlan struct {
	rows    int
	what    string
	measure func(context.Context, laps.Options) (page.LapAnswer, error)
}

// abLaps times two programs in turns.
func (p *pair) abLaps(ctx context.Context, s streams, words experiments.Vocabulary, f abFlags, effect float64) error {
	if f.format == "junit" {
		return usage(errors.New("--format junit: not for programs timed in turns; take text, markdown or json, or --target exact"))
	}
	planning := p.planXDP
	if p.kind != nil {
		planning = p.planRuns
	}
	plan, err := planning(words, f)
	if err != nil {
		return usage(err)
	}
	if f.repeat > 0 && (f.repeat < 4 || f.repeat%2 != 0) {
		return usage(fmt.Errorf("--repeat %d: programs timed in turns are loaded an even number of times, at least 4", f.repeat))
	}
	if err := host.RequireRoot(); err != nil {
		return err
	}
	lock, err := f.lock(ctx, s)
	if err != nil {
		return err
	}
	defer lock.Close()
	o := laps.Options{Loads: lapLoads, Time: lapTime, Within: lapWithin}
	if f.repeat > 0 {
		o.Loads, o.Within = f.repeat, 0
	}
	s.note("up to %d loads of both programs at each of %d %s, about %v", o.Loads, plan.rows, plan.what,
		(time.Duration(o.Loads*plan.rows)*(lapTime+150*time.Millisecond) + 5*time.Second).Round(time.Second))
	answer, err := plan.measure(ctx, o)
	if err != nil {
		return err
	}
	if effect == 0 {
		effect = lapMinEffect
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
		return withCode(codeRegression, fmt.Errorf("B is worse in %d of %d rows", worse, len(answer.Laps)))
	}
	return nil
}

// lapOf is a row of an answer.
func lapOf(at string, c laps.Comparison) page.Lap {
	return page.Lap{At: at, A: c.A, B: c.B, Change: c.Change, Low: c.Low, High: c.High, DiffLow: c.A * c.Low, DiffHigh: c.A * c.High, Loads: c.Loads}
}

// planXDP plans two XDP programs in the place of balancers: a row for each number of flows.
func (p *pair) planXDP(words experiments.Vocabulary, f abFlags) (plan lapPlan, err error) {
	group, flows, err := f.lapGroup(p)
	if err != nil {
		return plan, err
	}
	family, ok := words.Families[p.experiment.Family].(lapFamily)
	if !ok {
		return plan, fmt.Errorf("experiment %s has no programs that can be timed in turns", p.experiment.Name)
	}
	measure := func(ctx context.Context, o laps.Options) (answer page.LapAnswer, err error) {
		found, err := family.CompareXDP(ctx, group, flows, o)
		for i, c := range found {
			answer.Laps = append(answer.Laps, lapOf(fmt.Sprintf("flows=%d", flows[i]), c))
		}
		answer.Per = "packet"
		answer.Gates = []string{"A: " + p.words[0] + ": gate passed", "B: " + p.words[1] + ": gate passed"}
		return answer, err
	}
	return lapPlan{len(flows), "numbers of flows", measure}, nil
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
		answer.Per = "run"
		answer.Gates = []string{fmt.Sprintf("outputs: equal for %d of %d inputs", len(found)-len(answer.Differences), len(found))}
		return answer, err
	}
	return lapPlan{len(inputs), "inputs", measure}, nil
}
