// SPDX-License-Identifier: Apache-2.0

package laps

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/sys"
)

// A Load loads one of the programs anew, with maps of its own; done unloads it.
type Load func(ctx context.Context, of Side) (p *ebpf.Program, done func() error, err error)

// A Side is A or B.
type Side int

// The sides.
const (
	SideA Side = iota
	SideB
)

func (s Side) String() string { return "AB"[s : s+1] }

// Options of a comparison.
type Options struct {
	Loads int           // an even number, at least 4; 0: 200
	Time  time.Duration // of each load; 0: 50 ms
	// Within is the time after which no load begins if there are leastLoads; 0: none. It ends by the clock, never by what was found.
	Within time.Duration
	// Confidence of the intervals; 0: 0.95.
	Confidence float64
}

// leastLoads is how many loads a comparison has at least, however long they take.
const leastLoads = 20

// A Comparison says what a packet takes in A and in B.
type Comparison struct {
	// A and B are in ns a packet, the loop's own time taken off: A the trimmed mean of the loads, B what Change makes of it, as a busy
	// machine changes both from load to load.
	A, B float64
	Own  float64 // the loop's own time, ns a packet
	// Change is B against A, less 1, with its interval.
	Change, Low, High float64
	Loads             int
}

// Compare times A and B in turns, over many loads of both. Every second load is the mirror of the one before: B is loaded first and
// has the first place. The loop is loaded anew for each such pair, as its place matters too. The interval is over the pairs, of the
// logarithm of the ratio, by the trimmed mean: a load in thirty or so has an unlucky place and differs by 5 to 20 %.
func Compare(ctx context.Context, t Traffic, load Load, o Options) (c Comparison, err error) {
	if o.Loads == 0 {
		o.Loads = 200
	}
	if o.Time == 0 {
		o.Time = 50 * time.Millisecond
	}
	if o.Confidence == 0 {
		o.Confidence = 0.95
	}
	if o.Loads < 4 || o.Loads%2 != 0 {
		return c, fmt.Errorf("compare over %d loads: an even number from 4 is needed, as every second one is the mirror of the one before", o.Loads)
	}
	sys.OnThread(func() { // which is bound to a CPU until it ends
		if err = sys.PinHere(); err == nil {
			err = c.measure(ctx, t, load, o)
		}
	})
	return c, err
}

// A pair is what a packet takes in two loads that mirror each other, in A and in B, ns, and in the empty loop that both had.
type pair struct {
	loads [2][2]float64 // of a load, of a Side; with the loop's own
	own   float64
}

// measure times the loads.
func (c *Comparison) measure(ctx context.Context, t Traffic, load Load, o Options) error {
	var pairs []pair
	for began := time.Now(); c.Loads < o.Loads && (o.Within == 0 || c.Loads < leastLoads || time.Since(began) < o.Within); c.Loads += 2 {
		// Memory may come back with every second load: which side is first goes by the Thue-Morse sequence.
		p, err := measurePair(ctx, t, load, Side(bits.OnesCount(uint(c.Loads/2))&1), o.Time)
		if err != nil {
			return err
		}
		pairs = append(pairs, p)
	}
	c.Own, _ = stats.TrimmedMean(harness.Map(pairs, func(p pair) float64 { return p.own }), o.Confidence)
	var ratios, as []float64
	for _, p := range pairs {
		ratio := 0.0
		for _, each := range p.loads {
			a, b := each[SideA]-c.Own, each[SideB]-c.Own
			if a <= 0 || b <= 0 {
				return harness.Skip("A takes %.2f ns and B %.2f ns a packet more than the loop, whose own time is %.2f ns: nothing can be told apart; take target exact", a, b, c.Own)
			}
			ratio += math.Log(b/a) / 2
			as = append(as, a)
		}
		ratios = append(ratios, ratio)
	}
	mean, half := stats.TrimmedMean(ratios, o.Confidence)
	c.Change, c.Low, c.High = math.Expm1(mean), math.Expm1(mean-half), math.Expm1(mean+half)
	c.A, _ = stats.TrimmedMean(as, o.Confidence)
	c.B = c.A * (1 + c.Change)
	return nil
}

// measurePair loads the loop anew, times it empty, and times a load in which a side comes first and its mirror.
func measurePair(ctx context.Context, t Traffic, load Load, first Side, d time.Duration) (p pair, err error) {
	l, err := newLoop(t)
	if err != nil {
		return p, err
	}
	defer l.Close()
	own, err := l.run(ctx, l.empty(), l.empty(), d/4)
	if err != nil {
		return p, err
	}
	p.own = (own[0].each() + own[1].each()) / 2
	for i, side := range []Side{first, 1 - first} {
		if p.loads[i], err = l.one(ctx, load, side, d); err != nil {
			return p, err
		}
	}
	return p, nil
}

// one times one load, in which a side comes first: ns a packet of A and of B, with the loop's own.
func (l *loop) one(ctx context.Context, load Load, first Side, d time.Duration) (each [2]float64, err error) {
	order := [2]Side{first, 1 - first}
	var programs [2]*ebpf.Program // in order
	for i, s := range order {
		p, done, err := load(ctx, s)
		if err != nil {
			return each, err
		}
		defer func() { err = errors.Join(err, done()) }()
		programs[i] = p
	}
	a, b := programs[first], programs[1-first] // the place of A is the number of the side that is first
	var verdict uint32
	if !l.same { // else the caller compares outputs
		if verdict, err = l.agree(a, b); err != nil {
			return each, err
		}
	}
	sides, err := l.run(ctx, programs[0], programs[1], d)
	if err == nil && !l.same {
		err = l.stillAgree(a, b, verdict)
	}
	if err != nil {
		return each, err
	}
	for i, s := range order {
		each[s] = sides[i].each()
	}
	return each, nil
}

// stillPackets is how many packets each program gets after its load was timed: the timed loop jumps into a program and sees no verdict.
const stillPackets = 128

// stillAgree returns an error if one of the programs gives packets another verdict than both gave before they were timed, and the other does
// not, as one that drops packets once it has seen many.
func (l *loop) stillAgree(a, b *ebpf.Program, verdict uint32) error {
	var others [2]int
	for i, p := range []*ebpf.Program{a, b} {
		if err := l.place(p, p); err != nil {
			return err
		}
		for range stillPackets {
			v, _, err := l.coll.Programs[l.program].Benchmark(l.packet, 1, nil)
			if err != nil {
				return fmt.Errorf("%v: %w", Side(i), err)
			}
			if v != verdict {
				others[i]++
			}
		}
		if err := l.broken(); err != nil {
			return err
		}
	}
	for i, n := range others {
		if n > 0 && others[1-i] == 0 {
			return fmt.Errorf("once %v has been timed, it gives %d of %d packets another verdict than %s, and %v none: they do not do the same work",
				Side(i), n, stillPackets, l.verdictName(verdict), Side(1-i))
		}
	}
	return nil
}

// agree returns the verdict that both programs give a packet, or an error if these differ.
func (l *loop) agree(a, b *ebpf.Program) (uint32, error) {
	va, err := l.verdict(a)
	if err != nil {
		return 0, fmt.Errorf("A: %w", err)
	}
	vb, err := l.verdict(b)
	if err != nil {
		return 0, fmt.Errorf("B: %w", err)
	}
	if va != vb {
		return 0, fmt.Errorf("A gives a packet the verdict %s and B %s: they do not do the same work", l.verdictName(va), l.verdictName(vb))
	}
	return va, nil
}
