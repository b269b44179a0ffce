// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// errExited is the error of a function that ended its goroutine (runtime.Goexit, testing.T.Fatal).
var errExited = errors.New("ended by runtime.Goexit")

// InNS runs f in the network namespace at path, on a thread that f shares with nothing else. An error on the way back is
// returned, and the thread ends.
func InNS(path string, f func() error) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open network namespace %s: %w", path, err)
	}
	defer unix.Close(fd)
	err = errExited
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = InNSOf(fd, f)
	}()
	<-done
	if err != nil {
		return fmt.Errorf("network namespace %s: %w", path, err)
	}
	return nil
}

// InNSOf runs f in the network namespace of a descriptor, on the calling thread, which keeps its CPU and its cgroup. If the
// thread cannot come back, the error is returned and the thread stays locked to the calling goroutine: no other goroutine
// runs on it, and it ends with this one.
func InNSOf(fd int, f func() error) error { return inNS(setns, fd, f) }

func setns(fd int) error { return unix.Setns(fd, unix.CLONE_NEWNET) }

// inNS is InNSOf with the call that changes the thread's namespace.
func inNS(set func(fd int) error, fd int, f func() error) (err error) {
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open own network namespace: %w", err)
	}
	defer unix.Close(home)
	if err := set(fd); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter network namespace: %w", err)
	}
	defer func() { // also if f panics
		if back := set(home); back != nil {
			err = errors.Join(err, fmt.Errorf("return from network namespace: %w", back))
			return
		}
		runtime.UnlockOSThread()
	}()
	return f()
}

// OnThread runs f on a thread that ends with f, so that f may leave the thread in any state.
func OnThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		f()
	}()
	<-done
}
