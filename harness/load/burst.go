// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A burst is the time and the CPU time of children from their start to the end of the last.
type burst struct {
	took, cpu time.Duration
	err       error
}

// bursts forks Children processes at once and waits for all of them, repeatedly until the measurement is over. It returns the
// longest burst.
func (p *program) bursts(t *team) (longest burst) {
	defer t.ranLate.Add(1)
	for t.now() < t.t0 {
		sleep(time.Duration(t.t0 - t.now()))
	}
	for {
		cpu := childrenCPU()
		began, err := p.burst(t)
		now := t.now()
		if took := time.Duration(now - began); took > longest.took {
			longest.took, longest.cpu = took, childrenCPU()-cpu
		}
		if err != nil || t.over(now) {
			longest.err = err
			return longest
		}
	}
}

// burst forks the children, starts all of them at once and waits for their end. It returns the time of the start, ns of now.
func (p *program) burst(t *team) (began int64, err error) {
	gate, err := newPipe() // its close starts all children
	if err != nil {
		return t.now(), err
	}
	defer unix.Close(gate[0])
	var pids []uintptr
	for len(pids) < p.Children && err == nil {
		pid, e := forkComputing(p.ChildRounds, gate)
		if e != 0 {
			err = fmt.Errorf("make child %d of %d: %w", len(pids)+1, p.Children, e)
		} else {
			pids = append(pids, pid)
		}
	}
	began = t.now()
	_ = unix.Close(gate[1])
	for _, pid := range pids {
		if !reap(pid) {
			err = errors.Join(err, fmt.Errorf("wait for child %d", pid))
		}
	}
	return began, err
}

// childrenCPU is the CPU time of all children that have ended.
func childrenCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_CHILDREN, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// forkComputing forks a child that waits until the gate, a pipe, is closed, computes and ends; without a gate it starts at
// once. The child shares no memory that it writes to and calls nothing of the Go runtime.
func forkComputing(rounds int, gate [2]int) (pid uintptr, e unix.Errno) {
	var b [1]byte
	pid, _, e = unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if e != 0 || pid != 0 {
		return pid, e
	}
	if gate[1] > 0 {
		unix.RawSyscall(unix.SYS_CLOSE, uintptr(gate[1]), 0, 0)
		// No call of a function that checks its stack: the runtime may have marked the stack, to preempt the parent.
		unix.RawSyscall(unix.SYS_READ, uintptr(gate[0]), uintptr(unsafe.Pointer(&b)), 1)
	}
	x := compute(0, rounds)
	for {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(x&0), 0, 0)
	}
}

// reap waits for the end of a child.
func reap(pid uintptr) bool {
	for {
		_, _, e := unix.RawSyscall6(unix.SYS_WAIT4, pid, 0, 0, 0, 0, 0)
		if e != unix.EINTR {
			return e == 0
		}
	}
}
