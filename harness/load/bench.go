// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"sync/atomic"
	"time"
)

// benchRest is how long a worker rests in a request, benchRounds how much it computes.
const (
	benchRest   = 100 * time.Microsecond
	benchRounds = 2 * clockRounds
)

// worker is one of the threads that the message thread wakes.
type worker struct {
	bell    int
	waiting atomic.Bool
	stamp   atomic.Int64
	waking  []int64
	took    []int64
}

// body waits to be woken, does a request and asks for the next.
func (w *worker) body(t *team, box int) func() {
	return func() {
		var x uint64
		for {
			w.waiting.Store(true)
			signal(box, 1)
			if wait(w.bell) != 1 {
				return
			}
			now := t.now()
			sleep(benchRest)
			x = compute(x, benchRounds)
			end := t.now()
			if now >= t.t0 && !t.over(end) {
				w.waking = append(w.waking, now-w.stamp.Load())
				w.took = append(w.took, end-now)
			}
		}
	}
}

// bench is schbench's pattern: one message thread wakes whichever workers have asked for work.
func (p *program) bench() (Report, error) {
	box, err := event()
	if err != nil {
		return Report{}, err
	}
	ws := make([]*worker, p.Workers)
	for i := range ws {
		bell, err := event()
		if err != nil {
			return Report{}, err
		}
		ws[i] = &worker{bell: bell}
	}
	t, err := newTeam(p, 1+len(ws))
	if err != nil {
		return Report{}, err
	}
	for i, w := range ws {
		t.add(unpinned(fmt.Sprintf("worker%d", i)), w.body(t, box))
	}
	t.add(unpinned("message"), func() {
		for gone := 0; gone < len(ws); {
			wait(box)
			now := t.now()
			for _, w := range ws {
				if !w.waiting.CompareAndSwap(true, false) {
					continue
				}
				if t.over(now) {
					gone++
					signal(w.bell, 2)
					continue
				}
				w.stamp.Store(t.now())
				signal(w.bell, 1)
			}
		}
	})
	r, err := t.report()
	var waking, took []int64
	for _, w := range ws {
		waking, took = append(waking, w.waking...), append(took, w.took...)
	}
	r.Elapsed = p.Measure
	r.Ops, r.Waking, r.Latency = float64(len(took)), NewDistribution(waking), NewDistribution(took)
	return r, err
}

// fork has threads make children that end at once, and wait for them.
func (p *program) fork() (Report, error) {
	t, err := newTeam(p, p.Workers)
	if err != nil {
		return Report{}, err
	}
	var children, failed atomic.Int64
	for i := range p.Workers {
		t.add(unpinned(fmt.Sprintf("parent%d", i)), func() {
			for {
				now := t.now()
				if t.over(now) {
					return
				}
				if !forkOnce() {
					failed.Add(1)
				} else if now >= t.t0 {
					children.Add(1)
				}
			}
		})
	}
	r, err := t.report()
	if n := failed.Load(); err == nil && n > 0 {
		err = fmt.Errorf("fork: %d children could not be made", n)
	}
	r.Ops = float64(children.Load())
	return r, err
}

// forkOnce makes a child that ends at once, and waits for its end.
func forkOnce() bool {
	pid, e := forkComputing(0, [2]int{})
	return e == 0 && reap(pid)
}
