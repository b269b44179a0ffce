// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A team is the set of threads of a load. All threads start together, after the last is configured.
type team struct {
	p        *program
	missing  atomic.Int32 // threads that do not wait yet
	gate     [2]int       // a pipe without data: its close releases all threads
	t0, t1   int64        // when the measurement begins and ends, nanoseconds of now; t1 is 0 if it has no end
	base     int64        // of now
	started  atomic.Bool  // t0, t1 and switches are set
	ranLate  atomic.Int32 // threads that compute, and the parent of children, that have run after t1
	done     sync.WaitGroup
	mu       sync.Mutex
	err      error
	switches switches   // at t0
	spinners []*spinner // the threads that compute
}

// newTeam makes a team of n threads.
func newTeam(p *program, n int) (*team, error) {
	t := &team{p: p, base: nanotime()}
	t.missing.Store(int32(n))
	var err error
	t.gate, err = newPipe()
	return t, err
}

func newPipe() (fds [2]int, err error) {
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return fds, fmt.Errorf("make pipe: %w", err)
	}
	return fds, nil
}

// nanotime is the runtime's monotonic clock, nanoseconds. Unlike time.Since it may be read without a check of the stack.
//
//go:linkname nanotime runtime.nanotime
//go:noescape
func nanotime() int64

// now is the time since the team was made, nanoseconds.
//
//go:nosplit
func (t *team) now() int64 { return nanotime() - t.base }

// add starts a thread. body runs when all threads of the team are configured.
func (t *team) add(th Thread, body func()) {
	t.done.Go(func() {
		runtime.LockOSThread()
		if err := th.configure(); err != nil {
			t.fail(err)
		}
		t.await()
		body()
	})
}

// await waits until all threads are configured.
func (t *team) await() {
	if t.missing.Add(-1) == 0 {
		t.t0 = t.now() + int64(t.p.Warm)
		if len(t.p.Threads) > 0 {
			t.t0 += int64(startSpread)
		}
		if t.p.Measure > 0 && t.p.Kind != Mixed && t.p.Kind != Wake { // these end by themselves
			t.t1 = t.t0 + int64(t.p.Measure)
		}
		t.switches = readSwitches()
		t.started.Store(true)
		_ = unix.Close(t.gate[1])
		return
	}
	wait(t.gate[0])
	t.started.Load() // orders memory: in Go's memory model the pipe does not
}

// over is true if the measurement has ended.
//
//go:nosplit
func (t *team) over(now int64) bool {
	return t.t1 > 0 && now >= t.t1 || t.p.stopped.Load()
}

// mayEnd is true if, after t1, a thread that computes may end: at once, or with Patience when all have run once more.
//
//go:nosplit
func (t *team) mayEnd(now int64) bool {
	return t.p.Patience == 0 || t.p.stopped.Load() || int(t.ranLate.Load()) == t.p.spinning() || now >= t.t1+int64(t.p.Patience)
}

func (t *team) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

// report waits for all threads and returns a report with the time, the context switches and the threads that compute.
func (t *team) report() (Report, error) {
	t.done.Wait()
	r := Report{Elapsed: time.Duration(t.now() - t.t0)}
	r.countSwitches(t.switches)
	for _, s := range t.spinners {
		r.Threads = append(r.Threads, s.ThreadReport)
	}
	return r, t.err
}

// configure sets name, timer slack, nice value, policy and CPU of the calling thread.
func (th Thread) configure() error {
	name := append([]byte(th.Name), 0)
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0); err != nil {
		return fmt.Errorf("name thread %s: %w", th.Name, err)
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set timer slack of %s: %w", th.Name, err)
	}
	if th.Nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), th.Nice); err != nil {
			return fmt.Errorf("set nice of %s to %d: %w", th.Name, th.Nice, err)
		}
	}
	if th.Idle {
		attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
		if err := unix.SchedSetAttr(0, attr, 0); err != nil {
			return fmt.Errorf("set policy SCHED_IDLE of %s: %w", th.Name, err)
		}
	}
	if th.CPU >= 0 {
		var set unix.CPUSet
		set.Set(th.CPU)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("pin %s to CPU %d: %w", th.Name, th.CPU, err)
		}
	}
	return nil
}

// unpinned returns a thread of the name that is not pinned to a CPU.
func unpinned(name string) Thread { return Thread{Name: name, CPU: -1} }

// wait reads a number from a descriptor; 0 if it is closed. The Go runtime does not see the wait, so that only the kernel's
// scheduler decides when the thread runs again.
func wait(fd int) (n uint64) {
	var b [8]byte
	for {
		_, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b)), uintptr(len(b)))
		if e != unix.EINTR {
			return *(*uint64)(unsafe.Pointer(&b))
		}
	}
}

// signal writes a number to a descriptor.
func signal(fd int, n uint64) {
	unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&n)), 8)
}

// sleep sleeps without the Go runtime.
func sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
}

// event makes a counter that threads can wait for.
func event() (int, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("make event: %w", err)
	}
	return fd, nil
}

// compute does rounds of dependent arithmetic: about 7 instructions each.
//
//go:nosplit
func compute(x uint64, rounds int) uint64 {
	for range rounds {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

// cpuTime is the calling thread's CPU time, nanoseconds.
func cpuTime() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) // cannot fail
	return ts.Nano()
}
