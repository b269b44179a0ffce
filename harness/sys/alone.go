// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Alone runs f on a thread of its own with real-time priority (SCHED_FIFO) and returns when f does. Processes that f
// starts do not inherit the priority.
func Alone(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, with its priority
		err := SetAlone()
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// alone gives the calling thread, for the rest of its life, a real-time priority.
func SetAlone() error {
	a := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if err := unix.SchedSetAttr(0, &a, 0); err != nil {
		return fmt.Errorf("keep others off the CPU: %w", err)
	}
	return nil
}
