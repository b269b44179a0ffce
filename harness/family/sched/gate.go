// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/kxlab/kxlab/harness/load"
)

const (
	// gateTime is the duration of the gate's load.
	gateTime = 700 * time.Millisecond
	// gateBound is the longest time that a runnable task may wait: five busy tasks share a CPU, and a scheduler for
	// batch loads may have slices of 100 ms.
	gateBound = 1500 * time.Millisecond
	// partTime is how long each of the quick parts runs, and then until every task has run once more.
	partTime = 100 * time.Millisecond
)

// Check runs the correctness gate on a member: the member is in force all the time; each busy task makes progress
// within the bound, and a pinned task runs on its CPU only; a sleeping task is woken within the bound; and afterwards
// the kernel's own scheduler is in force. The quick parts of gateParts follow.
func (s *stage) Check(ctx context.Context, member string) (err error) {
	defer func() { s.failed[member] = err != nil }()
	m, err := s.member(member)
	if err != nil {
		return err
	}
	f, err := s.enforce(ctx, m)
	if err != nil {
		return err
	}
	err = s.check(ctx)
	for _, p := range gateParts() {
		if err == nil && p.quick {
			_, err = p.run(ctx, partTime, s.seed)
		}
	}
	if broken := f.checkInForce(); broken != nil {
		err = fmt.Errorf("not in force all the time: %w", broken)
	}
	return errors.Join(err, f.close())
}

// check runs the gate's load under the scheduler in force and judges the load's report.
func (s *stage) check(ctx context.Context) error {
	spec := load.Spec{Kind: load.Wake, Measure: gateTime, Seed: s.seed}
	for cpu := range runtime.NumCPU() {
		spec.Threads = append(spec.Threads, load.Thread{Name: fmt.Sprintf("pinned%d", cpu), CPU: cpu})
	}
	spec.Threads = append(spec.Threads, loadThreads("free", 3*runtime.NumCPU())...)
	r, err := load.Run(ctx, spec)
	if err != nil {
		return err
	}
	for i, t := range r.Threads {
		name := spec.Threads[i].Name
		switch {
		case t.Strays > 0:
			return fmt.Errorf("affinity: task %s, pinned to CPU %d, was seen elsewhere %d times", name, spec.Threads[i].CPU, t.Strays)
		case t.Run == 0 || t.Gap > gateBound:
			return fmt.Errorf("starvation: task %s was kept waiting for %v, it ran %v of %v (at most %v may pass)", name,
				t.Gap.Round(time.Millisecond), t.Run.Round(time.Millisecond), r.Elapsed.Round(time.Millisecond), gateBound)
		}
	}
	worst := time.Duration(r.Latency.Quantile(1) * float64(time.Second))
	if r.Latency.N == 0 || worst > gateBound {
		return fmt.Errorf("wake-up: a sleeping task was woken %d times in %v, once only after %v (at most %v may pass)",
			r.Latency.N, gateTime, worst.Round(time.Millisecond), gateBound)
	}
	return nil
}
