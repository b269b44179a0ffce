// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// spinner is a thread that computes without sleeping.
type spinner struct {
	Thread
	ThreadReport
	sum uint64 // of its computing, so that it is not left out
}

// body computes until the end. A thread that does not run uses no CPU time, so its CPU time at the beginning of the measurement is
// that at its first read of the clock afterwards.
//
// Nothing that the loop calls checks the stack (go:nosplit), and signals do not preempt it (see Start). Otherwise Go's runtime parks
// a thread that has run for long, and two waits look like one.
func (s *spinner) body(t *team, delay time.Duration) func() {
	return func() {
		ready := t.now() // from then on it wants to run; a wait before the sleep is another wait than one after it
		if delay > 0 {
			ready += int64(delay)
			sleep(delay)
		}
		var began, done bool
		var cpu0, reads int64
		begin := max(ready, t.t0+int64(s.Sleep)) // a late wakeup is a wait
		if s.Sleep > 0 {
			sleep(time.Duration(begin - t.now()))
		}
		last := begin
		for {
			s.sum = compute(s.sum, clockRounds)
			if s.Yield {
				unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
			}
			now := t.now()
			if !began && now >= t.t0 {
				began, cpu0, reads, last = true, cpuTime(), 0, begin
			}
			if began {
				reads++
				s.Gap = max(s.Gap, time.Duration(now-last))
				if s.CPU >= 0 && currentCPU() != s.CPU {
					s.Strays++
				}
				if t.over(now) && !done {
					done = true
					t.ranLate.Add(1)
				}
				if done && t.mayEnd(now) {
					break
				}
			}
			last = now
		}
		s.Run = time.Duration(cpuTime() - cpu0)
		s.Ops = float64(reads*clockRounds) / portion
	}
}

// currentCPU is the number of the CPU that the thread runs on.
//
//go:nosplit
func currentCPU() int {
	var cpu uint32
	unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0)
	return int(cpu)
}

// startSpread is the interval in which threads start to compute: threads that start at one instant would stay synchronized.
const startSpread = 5 * time.Millisecond

// spinners adds the threads that compute. They start at times drawn from the seed, all of them before the measurement.
func (p *program) spinners(t *team) {
	rng := rand.New(rand.NewPCG(p.Seed, 1))
	for i, th := range p.Threads {
		if th.Name == "" {
			th.Name = fmt.Sprintf("busy%d", i)
		}
		s := &spinner{Thread: th}
		t.spinners = append(t.spinners, s)
		t.add(th, s.body(t, time.Duration(rng.Int64N(int64(startSpread)))))
	}
}

// threadOps is the sum of the threads' operations.
func (r *Report) threadOps() (sum float64) {
	for _, th := range r.Threads {
		sum += th.Ops
	}
	return sum
}

// spinning is the number of threads of Spin.
func (p *program) spinning() int { return len(p.Threads) + min(p.Children, 1) }

// spin is the load of threads that compute.
func (p *program) spin() (Report, error) {
	t, err := newTeam(p, p.spinning())
	if err != nil {
		return Report{}, err
	}
	p.spinners(t)
	var b burst
	if p.Children > 0 {
		t.add(unpinned("parent"), func() { b = p.bursts(t) })
	}
	r, err := t.report()
	r.Ops, r.Burst, r.BurstCPU = r.threadOps(), b.took, b.cpu
	return r, errors.Join(err, b.err)
}

// sleepy is spin with workers that sleep for about a millisecond and compute a little.
func (p *program) sleepy() (Report, error) {
	t, err := newTeam(p, len(p.Threads)+p.Workers)
	if err != nil {
		return Report{}, err
	}
	p.spinners(t)
	for i := range p.Workers {
		rng := rand.New(rand.NewPCG(p.Seed, uint64(2+i)))
		t.add(unpinned(fmt.Sprintf("sleepy%d", i)), func() {
			var x uint64
			for !t.over(t.now()) {
				sleep(time.Duration(500+rng.Int64N(1000)) * time.Microsecond)
				x = compute(x, 2*clockRounds)
			}
		})
	}
	return t.report()
}
