// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// takeTurns makes the calling thread, and what it starts, run where and how QEMU's threads lose least time to one another while they
// record a guest (see icount): at each idle period of the guest the thread that executes it wakes QEMU's main loop, which finds
// the next timer and wakes the other again. They never have anything to do at the same time. So they share one processor, and are
// batch threads, whose wakeup preempts no task: else the one that is woken takes the processor at once, finds the locks of the
// other taken, and has to give it back. The guest sees nothing of it; where the machine refuses, it is only slower.
func takeTurns(processor int) {
	if attr, err := unix.SchedGetAttr(0, 0); err == nil && attr.Policy == unix.SCHED_NORMAL {
		attr.Policy = unix.SCHED_BATCH
		_ = unix.SchedSetAttr(0, attr, 0)
	}
	var one unix.CPUSet
	one.Set(processor)
	_ = unix.SchedSetaffinity(0, &one)
}

// processor is where all threads of QEMU run, if on one: as the caller says, and with several counted CPUs on any.
func (c *Cmd) processor() (n int, one bool) {
	if c.Exact == nil {
		return 0, false
	}
	if c.Processor != nil {
		return *c.Processor, true
	}
	var mine unix.CPUSet
	if c.cpus() == 1 || unix.SchedGetaffinity(0, &mine) != nil {
		return 0, false
	}
	for !mine.IsSet(n) {
		n++
	}
	return n, true
}

// mainLoopFirst lets QEMU's main loop, the first thread of the process, go before the thread that executes the guest's CPUs, with
// which it shares a processor. A timer of QEMU's own moves on to the next CPU. If the main loop finds it due, the current CPU gives
// up its turn; if the other thread does, between two turns, nothing happens. So the order must not depend on the machine's load.
// The thread of the CPUs, begun by the main loop, does not inherit it.
func mainLoopFirst(pid int) error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if err := unix.SchedSetAttr(pid, &attr, 0); err != nil {
		return fmt.Errorf("an exact guest with several CPUs repeats only if QEMU's main loop may go first (SCHED_FIFO; root may): %w; "+
			"or use one CPU", err)
	}
	return nil
}
