// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/load"
)

// partBound is how long a task that is able to run may wait, by the essays of the schedulers.
const partBound = 5 * time.Second

// A part is a load of the gate that a wrong scheduler gets wrong. The condition is the same for all: the scheduler stays in force, and no
// task that is able to run waits for longer than partBound.
type part struct {
	name  string
	quick bool // part of every run's gate
	// load returns what runs. Measure, Seed and Patience are set by run.
	load func(cpus int, d time.Duration) load.Spec
	// meddle changes something of the tasks from outside, every 3 ms, counted by i. Nil: nothing is changed.
	meddle func(i int, t gateTasks) error
}

// gateTasks are the process of a part and its threads, in the order of its load's Threads.
type gateTasks struct {
	pid  int
	tids []int
}

// meddleEvery is how long a part leaves its tasks alone between two changes.
const meddleEvery = 3 * time.Millisecond

// run runs the part for a while under the scheduler in force and returns the longest wait of a task. At the end every task must have
// run once more.
func (p part) run(ctx context.Context, d time.Duration, seed uint64) (longest time.Duration, err error) {
	spec := p.load(runtime.NumCPU(), d)
	spec.Kind, spec.Measure, spec.Seed, spec.Patience = load.Spin, d, seed, partBound+2*time.Second
	l, err := load.Start(ctx, spec)
	if err != nil {
		return 0, fmt.Errorf("part %s: %w", p.name, err)
	}
	defer l.Close()
	if err := l.Go(); err != nil {
		return 0, fmt.Errorf("part %s: %w", p.name, err)
	}
	stop, meddled := make(chan struct{}), make(chan error, 1)
	go func() { meddled <- p.meddleUntil(stop, l.Pid(), spec.Threads) }()
	r, err := l.Wait()
	close(stop)
	if err := errors.Join(err, <-meddled); err != nil {
		return 0, fmt.Errorf("part %s: %w", p.name, err)
	}
	for i, t := range r.Threads {
		th := spec.Threads[i]
		longest = max(longest, t.Gap)
		switch {
		case t.Strays > 0 && p.meddle == nil:
			return longest, fmt.Errorf("part %s: task %s, pinned to CPU %d, was seen elsewhere %d times", p.name, th.Name, th.CPU, t.Strays)
		case t.Run == 0 || t.Gap > partBound:
			return longest, fmt.Errorf("part %s: task %s waited for %v, it ran %v of %v (at most %v may pass)", p.name, th.Name,
				t.Gap.Round(time.Millisecond), t.Run.Round(time.Millisecond), r.Elapsed.Round(time.Millisecond), partBound)
		}
	}
	// Children that compute may be given as little as a quarter of the time.
	if most := partBound + 4*r.BurstCPU; r.Burst > most {
		return longest, fmt.Errorf("part %s: %d children ended after %v, and ran %v (at most %v may pass)", p.name, spec.Children,
			r.Burst.Round(time.Millisecond), r.BurstCPU.Round(time.Millisecond), most.Round(time.Millisecond))
	}
	return longest, nil
}

// meddleUntil meddles with the threads of a load until stop is closed, from a thread that the scheduler under test does not schedule.
func (p part) meddleUntil(stop <-chan struct{}, pid int, threads []load.Thread) error {
	if p.meddle == nil {
		return nil
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, and its policy with it
	attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	_ = unix.SchedSetAttr(0, attr, 0) // where that is not allowed the changes come later
	t := gateTasks{pid: pid}
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		var err error
		if len(t.tids) != len(threads) {
			t.tids, err = findThreads(pid, threads)
		} else {
			err = p.meddle(i, t)
		}
		if err != nil && !gone(err) {
			return fmt.Errorf("change: %w", err)
		}
		ts := unix.NsecToTimespec(int64(meddleEvery))
		_ = unix.Nanosleep(&ts, nil)
	}
}
