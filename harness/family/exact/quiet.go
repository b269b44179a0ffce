// SPDX-License-Identifier: Apache-2.0

package exact

import (
	"runtime"
	"runtime/debug"
	"time"
)

// quietTime is how long target exact lets the kernel finish what it put off before a trial.
const quietTime = time.Second

// exactProcs is how many threads Go may run at once on target exact. With one for the one CPU, as Go would have it, a thread that
// comes back from the kernel waits until Go's supervisor takes the place of one that has gone there, 20 µs and an interrupt
// of the timer later.
const exactProcs = 8

// quieten sees to it that a trial of target exact has the only CPU to itself: what was put off is done before, by this
// process (garbage) and by the kernel. Waiting for it is free, and what came in between would be counted. The function
// that it returns ends the quiet.
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
