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
	"github.com/kxlab/kxlab/harness/host"
	"github.com/kxlab/kxlab/harness/laps"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/verdict"
)

// A lapFamily can time the XDP programs of two variants in turns.
type lapFamily interface {
	CompareXDP(ctx context.Context, g harness.Group, flows []int, o laps.Options) ([]laps.Comparison, error)
}

const (
	lapWorkload  = "pps" // the workload that laps stand for
	lapFlows     = 4096
	lapMinEffect = 0.01
	// A cell takes a minute at most: loads, of which each is measured for this time and warmed up before.
	lapLoads = 16
	lapTime  = 1500 * time.Millisecond
)

// laps tells whether the pair is timed in turns: on this machine, two XDP programs, and no other workload asked for.
func (f abFlags) laps(p *pair) bool {
	return f.target == harness.TargetHost && p.a.Attach == "xdp" && p.b.Attach == "xdp" &&
		(len(f.workloads) == 0 || len(f.workloads) == 1 && f.workloads[0] == lapWorkload)
}

// abLaps times two XDP programs in turns.
func (p *pair) abLaps(ctx context.Context, s streams, words experiments.Vocabulary, f abFlags, effect float64) error {
	if f.format == "junit" {
		return usage(errors.New("--format junit: not for programs timed in turns; take text, markdown or json, or --target exact"))
	}
	group, flows, err := f.lapGroup(p)
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
	o := laps.Options{Loads: lapLoads, Time: lapTime}
	if f.repeat > 0 {
		o.Loads = f.repeat
	}
	s.note("%d loads of both programs at each of %d numbers of flows, about %v", o.Loads, len(flows),
		(time.Duration(o.Loads*len(flows))*(lapTime+time.Second) + 5*time.Second).Round(time.Second))
	family, ok := words.Families[p.experiment.Family].(lapFamily)
	if !ok {
		return fmt.Errorf("experiment %s has no programs that can be timed in turns", p.experiment.Name)
	}
	found, err := family.CompareXDP(ctx, group, flows, o)
	if err != nil {
		return err
	}
	if effect == 0 {
		effect = lapMinEffect
	}
	var out []page.Lap
	worse := 0
	for i, c := range found {
		l := page.Lap{At: fmt.Sprintf("flows=%d", flows[i]), A: c.A, B: c.B, Change: c.Change, Low: c.Low, High: c.High, DiffLow: c.DiffLow, DiffHigh: c.DiffHigh, Loads: c.Loads}
		if l.Judge(c.Shown(), effect); l.Verdict == verdict.Worse {
			worse++
		}
		out = append(out, l)
	}
	if err := page.WriteLaps(s.out, p.words[0], p.words[1], out, f.format); err != nil {
		return err
	}
	if f.gate && worse > 0 {
		return withCode(codeRegression, fmt.Errorf("B is worse in %d of %d rows", worse, len(out)))
	}
	return nil
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
