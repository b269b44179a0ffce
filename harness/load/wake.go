// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/kxlab/kxlab/harness/mark"
)

// pipe passes a byte back and forth between two threads.
func (p *program) pipe() (Report, error) {
	there, thereErr := newPipe()
	back, backErr := newPipe()
	t, err := newTeam(p, 2)
	if err := errors.Join(thereErr, backErr, err); err != nil {
		return Report{}, err
	}
	t.add(Thread{Name: "pong", CPU: p.CPUs[1]}, func() {
		for n := wait(there[0]); n != 0; n = wait(there[0]) {
			signal(back[1], 1)
		}
	})
	r := Report{Laps: make([]float64, 0, firstLaps)}
	t.add(Thread{Name: "ping", CPU: p.CPUs[0]}, func() {
		round := func() { signal(there[1], 1); wait(back[0]) }
		for t.now() < t.t0 {
			round()
		}
		before := readSwitches()
		mark.Begin()
		begin, n := t.now(), 0
		now := begin
		for !t.over(now) {
			for range LapRounds {
				round()
			}
			end := t.now()
			r.Laps = append(r.Laps, float64(end-now)/1e9)
			mark.Lap()
			now, n = end, n+LapRounds
		}
		mark.End()
		r.Elapsed, r.Ops = time.Duration(now-begin), float64(n)
		r.countSwitches(before)
		signal(there[1], 0)
	})
	_, err = t.report()
	return r, err
}

// The waker sleeps between wakePeriod and twice as long before each wakeup, and wakes the sleeper at least leastWakes times.
const (
	wakePeriod = 350 * time.Microsecond
	leastWakes = 8
)

// wake wakes one thread from another, beside threads that compute, and measures the time until it runs.
func (p *program) wake() (Report, error) {
	bell, err := event()
	if err != nil {
		return Report{}, err
	}
	t, err := newTeam(p, len(p.Threads)+2)
	if err != nil {
		return Report{}, err
	}
	p.spinners(t)
	var stamp atomic.Int64 // time of the wakeup; 0: the sleeper has run since
	var took []int64
	t.add(unpinned("sleeper"), func() {
		for wait(bell) == 1 {
			now := t.now()
			woken := stamp.Swap(0)
			if woken >= t.t0 {
				took = append(took, now-woken)
			}
		}
	})
	t.add(unpinned("waker"), func() {
		rng := rand.New(rand.NewPCG(p.Seed, 2))
		// A waker that is starved itself continues until it has woken the sleeper a few times.
		end := t.t0 + int64(p.Measure)
		for made := 0; t.now() < end || made < leastWakes; {
			sleep(wakePeriod + time.Duration(rng.Int64N(int64(wakePeriod))))
			if stamp.Load() == 0 {
				now := t.now()
				if now >= t.t0 {
					made++
				}
				stamp.Store(now)
				signal(bell, 1)
			}
		}
		for stamp.Load() != 0 { // an eventfd would add a second number to the first
			sleep(wakePeriod)
		}
		p.stopped.Store(true)
		signal(bell, 2)
	})
	r, err := t.report()
	r.Latency, r.Ops = NewDistribution(took), float64(len(took))
	return r, err
}
