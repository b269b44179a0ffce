// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// OnThread runs f on a thread that ends with f, so that f may leave the thread in any state. It is never the process's first thread, whose
// namespaces and cgroup /proc shows as those of the process: a cleaner would take the process for one inside.
func OnThread(f func()) { onThread(func() bool { return unix.Gettid() == unix.Getpid() }, f) }

// onThread is OnThread with the call that tells the process's first thread.
func onThread(first func() bool, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if first() {
			onThread(first, f) // on another: this one is held until then
			runtime.UnlockOSThread()
			return
		}
		f() // never unlocked: the thread ends with the goroutine
	}()
	<-done
}

// Alone runs f on a thread of its own with real-time priority (SCHED_FIFO) and returns when f does. Processes that f
// starts do not inherit the priority.
func Alone(f func() error) (err error) {
	OnThread(func() {
		if err = SetAlone(); err == nil {
			err = f()
		}
	})
	return err
}

// SetAlone gives the calling thread, for the rest of its life, a real-time priority.
func SetAlone() error {
	a := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	return harness.Wrap(unix.SchedSetAttr(0, &a, 0), "keep others off the CPU")
}

// Pin binds a thread to one CPU. Thread 0 is the calling one.
func Pin(tid, cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(tid, &set); err != nil {
		return fmt.Errorf("pin to CPU %d: %w", cpu, err)
	}
	return nil
}

// PinHere binds the calling thread to the CPU that it runs on.
func PinHere() error {
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return fmt.Errorf("read CPU: %w", errno)
	}
	return Pin(0, int(cpu))
}

// BlockSignals blocks all signals on the calling thread but these, for the rest of its life. A signal ends a long system call, and Go's
// runtime sends one to a thread that has run for 10 ms.
func BlockSignals(but ...unix.Signal) error {
	var mask unix.Sigset_t
	for i := range mask.Val {
		mask.Val[i] = ^mask.Val[i]
	}
	const bits = 8 * int(unsafe.Sizeof(mask.Val[0]))
	for _, s := range but {
		n := int(s) - 1
		mask.Val[n/bits] &^= 1 << (n % bits)
	}
	return harness.Wrap(unix.PthreadSigmask(unix.SIG_SETMASK, &mask, nil), "block signals")
}
