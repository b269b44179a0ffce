// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/sys"
)

// A place is a thread on one CPU, in a network namespace of its own that holds a loopback device, so that helpers which look at
// devices or routes find the same on every machine, and no packet that a program clones leaves it.
type place struct {
	work chan func()
	done chan struct{}
}

func openPlace() (*place, error) {
	p := &place{make(chan func()), make(chan struct{})}
	ready := make(chan error)
	go func() {
		defer close(p.done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err != nil {
			err = fmt.Errorf("make network namespace: %w", err)
		}
		if err == nil {
			err = pinHere()
		}
		ready <- err
		if err != nil {
			return
		}
		for f := range p.work {
			f()
		}
	}()
	return p, <-ready
}

// pinHere keeps the calling thread on the CPU that it runs on.
func pinHere() error {
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return fmt.Errorf("read CPU: %w", errno)
	}
	return sys.Pin(0, int(cpu))
}

// do runs f on the place's thread.
func (p *place) do(f func() error) (err error) {
	done := make(chan struct{})
	p.work <- func() { defer close(done); err = f() }
	<-done
	return err
}

func (p *place) close() {
	close(p.work)
	<-p.done
}
