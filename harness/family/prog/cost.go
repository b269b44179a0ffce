// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/exact"
	"github.com/kxlab/kxlab/harness/mark"
	"github.com/kxlab/kxlab/harness/stats"
)

const (
	// turns is how many turns a trial has in its time: in each, the program runs for a while and then the empty one. On target exact
	// a thread of Go's wakes every 100 us and executes some 3,000 to 10,000 instructions. Turns of the 2 ms of a trial are shorter than
	// that, but it can meet two thirds of the turns of one of the two, so that neither their median nor their mode is that of the turns without it.
	turns      = 20
	turnsExact = 31
	// maxRuns is how many runs a turn has at most.
	maxRuns = 1 << 18
)

// A cost is what one run of a program takes.
type cost struct {
	run    float64 // ns, which on target exact are instructions; the loop's own time is taken off
	own    float64 // the loop's own
	runs   int     // in a turn
	single bool    // each run was a system call of its own
	turns  int
	total  time.Duration
}

// measure times a program on an input. Program and empty program take turns, and the medians of the turns count: a timer interrupt
// falls into few of them. On target exact undisturbed turns are alike to the digit, and the lowest number that a tenth of the turns has counts.
//
// The kernel does not restore the input between the repeats of a call. So a program that leaves other bytes than the empty one is
// run once a call, on the same input each time.
func measure(ctx context.Context, p *program, in Input, b harness.Budget, turns int) (c cost, err error) {
	test := newCall(p.kind, p.Program, in)
	first, err := test.run()
	if err != nil {
		return c, err
	}
	e, err := p.empty(first.Value)
	if err != nil {
		return c, err
	}
	defer e.Close()
	test.use(e)
	untouched, err := test.run()
	if err != nil {
		return c, err
	}
	c.single = !p.kind.repeats || p.kind.returnsPacket && !first.sameBytes(untouched)
	c.turns = turns
	turn := b.Measure / time.Duration(2*turns)
	test.use(p.Program)
	if c.runs, err = fit(test, turn, c.single); err != nil {
		return c, err
	}
	test.use(e)
	if _, err := test.time(c.runs, c.single); err != nil { // warm
		return c, err
	}
	var sides [2][]float64
	defer b.Window()()
	mark.Begin()
	for range turns {
		for i, side := range []*ebpf.Program{p.Program, e} {
			mark.Skip()
			test.use(side)
			d, err := test.time(c.runs, c.single)
			if err = errors.Join(err, ctx.Err()); err != nil {
				return c, err
			}
			sides[i] = append(sides[i], float64(d.Nanoseconds()))
			c.total += d
			mark.Lap()
		}
	}
	exact.End(b.Counted, harness.CountedWindow{Unit: "insn/run", Amount: float64(c.runs), Laps: true, Empty: true})
	typical := stats.Median
	if b.Exact {
		typical = stats.Floor
	}
	c.own = typical(sides[1]) / float64(c.runs)
	c.run = typical(sides[0])/float64(c.runs) - c.own
	return c, nil
}

// fit is how many runs take about a time, a power of two. Few calls are made: on target exact each one with repeats of an XDP program
// changes the kernel's code, which the emulator then translates anew.
func fit(c *call, d time.Duration, single bool) (int, error) {
	try := 64
	if single {
		try = 4
	}
	took := time.Duration(math.MaxInt64)
	for range 3 { // another thread may interrupt one of them for long
		t, err := c.time(try, single)
		if err != nil {
			return 0, err
		}
		took = min(took, t)
	}
	n := 1
	for n < maxRuns && float64(took)*float64(2*n) <= float64(d)*float64(try)*4/3 {
		n *= 2
	}
	return n, nil
}

// outputs runs the inputs in order on a program that was just loaded, up to and with the last one, and returns its output.
func outputs(p *ebpf.Program, k Kind, inputs []Input) (o Output, err error) {
	for _, in := range inputs {
		if o, err = newCall(k, p, in).run(); err != nil {
			return o, err
		}
	}
	return o, nil
}
