// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/sys"
)

// A place is a thread on one CPU, in a network namespace of its own that holds a loopback device, so that helpers which look at
// devices or routes find the same on every machine, and no packet that a program clones leaves it. Signals are blocked on the thread: each
// would end the kernel's test run.
type place struct {
	work chan func()
	done chan struct{}
}

func openPlace() (*place, error) {
	p := &place{make(chan func()), make(chan struct{})}
	ready := make(chan error)
	go sys.OnThread(func() {
		defer close(p.done)
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err != nil {
			err = fmt.Errorf("make network namespace: %w", err)
		}
		if err == nil {
			err = sys.PinHere()
		}
		if err == nil {
			err = sys.BlockSignals()
		}
		ready <- err
		if err != nil {
			return
		}
		for f := range p.work {
			f()
		}
	})
	return p, <-ready
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
