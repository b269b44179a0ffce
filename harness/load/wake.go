// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// pipe passes a byte to and fro between two threads.
func (p *program) pipe() (Report, error) {
	var there, back [2]int
	for _, pair := range []*[2]int{&there, &back} {
		if err := unix.Pipe2(pair[:], unix.O_CLOEXEC); err != nil {
			return Report{}, fmt.Errorf("make pipe: %w", err)
		}
	}
	t, err := newTeam(p, 2)
	if err != nil {
		return Report{}, err
	}
	t.add(Thread{Name: "pong", CPU: p.CPUs[1]}, func() {
		for n := wait(there[0]); n != 0; n = wait(there[0]) {
			signal(back[1], 1)
		}
	})
	var r Report
	t.add(Thread{Name: "ping", CPU: p.CPUs[0]}, func() {
		round := func() { signal(there[1], 1); wait(back[0]) }
		for t.now() < t.t0 {
			round()
		}
		all, forced := readSwitches()
		begin, n := t.now(), 0
		for now := begin; !t.over(now); now = t.now() {
			for range 16 {
				round()
			}
			n += 16
		}
		r.Elapsed, r.Ops = time.Duration(t.now()-begin), float64(n)
		r.Switches, r.Forced = readSwitches()
		r.Switches -= all
		r.Forced -= forced
		signal(there[1], 0)
	})
	_, err = t.report()
	return r, err
}

// wakePeriod is how long the waking thread rests between two wakings, and up to as long again.
const wakePeriod = 350 * time.Microsecond

// leastWakes is how often a thread is woken at least.
const leastWakes = 8

// wake wakes one thread from another, beside threads that compute, and sees how long it takes to run.
func (p *program) wake() (Report, error) {
	bell, err := event()
	if err != nil {
		return Report{}, err
	}
	t, err := newTeam(p, len(p.Threads)+2)
	if err != nil {
		return Report{}, err
	}
	ss := p.spinners(t)
	var stamp atomic.Int64 // when the sleeper was woken; 0: it has noticed
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
		// Where it is kept waiting itself, it goes on until it has woken the sleeper a few times, and the busy threads too.
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
		for stamp.Load() != 0 { // a second number would be added to the first
			sleep(wakePeriod)
		}
		p.stopped.Store(true)
		signal(bell, 2)
	})
	r, err := t.report()
	put(&r, ss)
	r.Latency, r.Ops = NewDistribution(took), float64(len(took))
	return r, err
}
