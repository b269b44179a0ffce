// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// shareProcessor binds the calling thread, and the processes that it starts, to one processor with policy SCHED_BATCH. QEMU's threads
// alternate while they record a guest (see icount): at each idle period the CPU thread wakes the main loop, which finds the next timer
// and wakes the CPU thread. They are never busy at the same time, so one processor is enough. A batch thread does not preempt when it
// wakes; otherwise the woken thread would preempt its waker and block on the waker's locks. Both settings only save time.
func shareProcessor(processor int) {
	if attr, err := unix.SchedGetAttr(0, 0); err == nil && attr.Policy == unix.SCHED_NORMAL {
		attr.Policy = unix.SCHED_BATCH
		_ = unix.SchedSetAttr(0, attr, 0)
	}
	var one unix.CPUSet
	one.Set(processor)
	_ = unix.SchedSetaffinity(0, &one)
}

// processor returns the processor that all threads of QEMU share, if they share one: the caller's choice, or the first that this
// process may use if an exact guest has several CPUs.
func (c *Cmd) processor() (n int, one bool) {
	if c.Exact == nil {
		return 0, false
	}
	if c.Processor != nil {
		return *c.Processor, true
	}
	var usable unix.CPUSet
	if c.cpus() == 1 || unix.SchedGetaffinity(0, &usable) != nil {
		return 0, false
	}
	for !usable.IsSet(n) {
		n++
	}
	return n, true
}

// raiseMainLoop gives QEMU's main loop, the first thread of the process, priority over the thread that executes the guest's CPUs, with
// which it shares a processor. A timer of QEMU switches between the CPUs. If the main loop handles the timer, the current CPU ends its
// turn; if the CPU thread does, between two turns, the timer has no effect. The priority keeps the order independent of the machine's
// load. The CPU thread does not inherit it.
func raiseMainLoop(pid int) error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if err := unix.SchedSetAttr(pid, &attr, 0); err != nil {
		return fmt.Errorf("an exact guest with several CPUs needs SCHED_FIFO for QEMU's main loop: %w: run as root, or use one CPU", err)
	}
	return nil
}
