// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"sync/atomic"
	"time"
)

// A request of Bench sleeps for benchRest and computes benchRounds.
const (
	benchRest   = 100 * time.Microsecond
	benchRounds = 2 * clockRounds
)

// A worker is one of the threads that the message thread wakes.
type worker struct {
	bell    int
	waiting atomic.Bool
	stamp   atomic.Int64
	waking  []int64
	took    []int64
}

// body requests work, waits until it is woken and does the work, repeatedly.
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

// bench is schbench's pattern: one message thread wakes the workers that have requested work.
func (p *program) bench() (Report, error) {
	box, err := event()
	ws := make([]*worker, p.Workers)
	for i := range ws {
		ws[i] = &worker{}
		if err == nil {
			ws[i].bell, err = event()
		}
	}
	if err != nil {
		return Report{}, err
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

// fork runs threads that fork children that end at once, and wait for them.
func (p *program) fork() (Report, error) {
	t, err := newTeam(p, p.Workers)
	if err != nil {
		return Report{}, err
	}
	var children, failed atomic.Int64
	for i := range p.Workers {
		t.add(unpinned(fmt.Sprintf("parent%d", i)), func() {
			for now := t.now(); !t.over(now); now = t.now() {
				if pid, e := forkComputing(0, [2]int{}); e != 0 || !reap(pid) {
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
