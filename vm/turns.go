// SPDX-License-Identifier: Apache-2.0

package vm

import "golang.org/x/sys/unix"

// takeTurns makes the calling thread, and what it starts, run where and how QEMU's threads lose least time to one another while they
// record a guest (see counted): at each idle period of the guest the thread that executes it wakes QEMU's main loop, which finds
// the next timer and wakes the other again. They never have anything to do at the same time. So they share one processor, and are
// batch threads, whose waking up interrupts nobody: else the one that is woken takes the processor at once, finds the locks of the
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
