// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// inNS runs f on a thread of its own inside the network namespace at path. The thread is not used again if it cannot
// be brought back.
func InNS(path string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		back, err := enterNS(path)
		if err != nil {
			runtime.UnlockOSThread()
			done <- err
			return
		}
		err = f()
		if backErr := back(); backErr != nil {
			// Still locked: the runtime ends the thread with the goroutine.
			done <- errors.Join(err, backErr)
			return
		}
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

// enterNS moves the calling thread into the namespace at path and returns the way back.
func enterNS(path string) (back func() error, err error) {
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open own network namespace: %w", err)
	}
	there, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(home)
		return nil, fmt.Errorf("open network namespace %s: %w", path, err)
	}
	defer unix.Close(there)
	if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
		unix.Close(home)
		return nil, fmt.Errorf("enter network namespace %s: %w", path, err)
	}
	return func() error {
		defer unix.Close(home)
		if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("leave network namespace %s: %w", path, err)
		}
		return nil
	}, nil
}
