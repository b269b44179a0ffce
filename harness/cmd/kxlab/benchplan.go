// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strconv"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/runner"
)

const estimateNote = "Estimates are for an idle machine that has checked no gate yet; kept gates and reports of guests make it shorter, other load longer."

// A price is what a plan costs of a processor's time. The figures are from the times between trials of published runs on the host, and
// from the processor time of runs in parts, one workload each, in exact guests. They are estimates: no whole bench stands behind them.
type price struct {
	once   time.Duration // for the run: boots, images
	gate   time.Duration // for each member of a group
	setup  time.Duration // for each member of a group, on target exact in each repeat
	trial  time.Duration // for each trial
	second float64       // for each second that is measured or spent warming up
}

// estimate is how long a plan takes: on the host in turn, in exact guests side by side, one a processor.
func estimate(p *runner.Plan) time.Duration {
	price, ok := prices[p.Experiment.Family+" "+p.Target]
	if !ok {
		return p.Guess()
	}
	all := price.once
	for _, g := range p.Groups {
		repeats := 1
		for _, b := range g.Blocks {
			if p.Target == harness.TargetExact {
				repeats = max(repeats, b.Repeats)
			}
			one := price.trial + time.Duration(price.second*loadOf(b)*float64(b.Warm+b.Measure))
			all += time.Duration(len(b.Cells)*b.Repeats) * one
		}
		all += time.Duration(len(g.Members)) * (price.gate + time.Duration(repeats)*price.setup*time.Duration(scaleOf(g)))
	}
	if p.Target == harness.TargetExact {
		if free, err := openProcessors(); err == nil {
			all /= time.Duration(max(1, cap(free)))
		}
	}
	return all
}

// loadOf is how much work a second of a block is: of flows on a link, by its rate, 1 at 20 Mbit/s.
func loadOf(b runner.Block) float64 {
	for _, a := range b.Axes {
		if rate, err := strconv.ParseFloat(a.Value, 64); a.Name == "rate" && err == nil && (harness.Cell{Axes: b.Axes}).Axis("rtt") != "" {
			return rate / 20
		}
	}
	return 1
}

// scaleOf is how much longer the set-up of a group takes for its services: rules for 10,000 take five seconds a variant.
func scaleOf(g runner.Group) int {
	for _, a := range g.Axes {
		if n, err := strconv.Atoi(a.Value); a.Name == "services" && err == nil {
			return 1 + n/400
		}
	}
	return 1
}

// restOf is how long the runs still take if they are as much slower or faster than estimated as those before.
func restOf(runs []*benchRun, spent, foreseen time.Duration) time.Duration {
	var left time.Duration
	for _, r := range runs {
		left += r.estimate
	}
	if spent < time.Second || foreseen < time.Second {
		return left
	}
	return time.Duration(float64(left) * min(4, max(0.5, spent.Seconds()/foreseen.Seconds())))
}

// prices are by family and target.
var prices = map[string]price{
	"lb host":     {once: time.Second, gate: 400 * time.Millisecond, setup: 200 * time.Millisecond, trial: 170 * time.Millisecond, second: 1},
	"swap host":   {once: time.Second, gate: time.Second, trial: 300 * time.Millisecond, second: 1},
	"lb exact":    {once: 6 * time.Second, gate: 2500 * time.Millisecond, setup: 300 * time.Millisecond, trial: 350 * time.Millisecond, second: 5},
	"cc exact":    {once: 10 * time.Second, gate: 3 * time.Second, setup: 100 * time.Millisecond, trial: 500 * time.Millisecond, second: 0.5},
	"sched exact": {once: 10 * time.Second, gate: 4 * time.Second, setup: 800 * time.Millisecond, trial: time.Second, second: 1.2},
	// Its trials are short, but for those that end their guest; both hangs take four seconds.
	"safety exact": {once: 50 * time.Second, trial: 300 * time.Millisecond, second: 1},
	"jit exact":    {once: 35 * time.Second, gate: 2 * time.Second, trial: 50 * time.Millisecond, second: 1},
}
