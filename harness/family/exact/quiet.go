// SPDX-License-Identifier: Apache-2.0

// Package exact holds the measures that families share on target exact, where time counts instructions: a quiet CPU
// during a trial, and a clock of the CPU's idle time.
package exact

import (
	"runtime"
	"runtime/debug"
	"time"
)

// quietTime is the time for the kernel's deferred work before a trial on target exact.
const quietTime = time.Second

// exactProcs is GOMAXPROCS on target exact. With Go's default, one for the only CPU, a thread that returns from a
// system call waits until Go's system monitor retakes the P of a blocked thread, which takes 20 µs and a timer
// interrupt.
const exactProcs = 8

// Quiet gives a trial on target exact the only CPU for itself: deferred work of this process (garbage collection) and
// of the kernel is done before the trial, where it is not counted. The returned function ends the quiet.
func Quiet() (end func()) {
	runtime.GC()
	before := debug.SetGCPercent(-1)
	procs := runtime.GOMAXPROCS(exactProcs)
	time.Sleep(quietTime)
	return func() {
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(before)
	}
}
