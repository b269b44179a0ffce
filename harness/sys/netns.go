// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// errExited is the error of a function that ends its goroutine (runtime.Goexit, testing.T.Fatal).
var errExited = errors.New("ended by runtime.Goexit")

// InNS runs f in the network namespace at path, on a thread that runs nothing else. If the thread cannot return to its own
// namespace, InNS returns the error and the thread ends.
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
	return harness.Wrap(err, "network namespace %s", path)
}

// InNSOf runs f in the network namespace of a descriptor, on the calling thread, which keeps its CPU and its cgroup. If the
// thread cannot return to its own namespace, InNSOf returns the error and leaves the thread locked to the calling
// goroutine: no other goroutine runs on the thread, and both end together.
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
