// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// lockName is an abstract socket address: it is in no file system, and the kernel frees it however its owner dies. It
// is known within one network namespace only: two containers with namespaces of their own do not see each other's.
const lockName = "@kxlab-run"

// lockPoll is how often a waiting run looks whether it is its turn.
const lockPoll = 300 * time.Millisecond

// A BusyError says that another run is measuring on this machine.
type BusyError struct{ PID int } // 0: not known

func (e *BusyError) Error() string {
	who := "another run"
	if e.PID > 0 {
		who = fmt.Sprintf("another run (process %d)", e.PID)
	}
	return who + " is measuring on this machine, and two would distort each other: wait for it, or use --wait"
}

// Lock makes this process the only one that measures, until the closer is closed. If another one does, it returns a
// *BusyError; if told is not nil it tells that and waits until its turn comes or ctx is done.
func Lock(ctx context.Context, told func(*BusyError)) (io.Closer, error) {
	return lock(ctx, lockName, told)
}

func lock(ctx context.Context, name string, told func(*BusyError)) (io.Closer, error) {
	for first := true; ; first = false {
		l, err := tryLock(name)
		var busy *BusyError
		if err == nil || !errors.As(err, &busy) || told == nil {
			return l, err
		}
		if first {
			told(busy)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPoll):
		}
	}
}

type lockFD int

func (l lockFD) Close() error { return unix.Close(int(l)) }

func tryLock(name string) (io.Closer, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("lock the machine: %w", err)
	}
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: name})
	if err == nil {
		err = unix.Listen(fd, 8) // so that others can ask who we are; nobody accepts
	}
	if err == nil {
		return lockFD(fd), nil
	}
	unix.Close(fd)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, &BusyError{PID: holder(name)}
	}
	return nil, fmt.Errorf("lock the machine: %w", err)
}

// holder asks the kernel who listens at the address; 0 if it does not say.
func holder(name string) int {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		return 0
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0
	}
	return int(cred.Pid)
}
