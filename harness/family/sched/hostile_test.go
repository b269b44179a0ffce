// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// waitMost is the longest that a task may wait, by the essays of the schedulers.
const waitMost = 5 * time.Second

// soak tells whether tests may take as long as the bounds that they try: 60 s of the guest's time.
func soak() bool { return os.Getenv("KXLAB_SOAK") != "" }

// A hog computes without sleeping, in a process of its own.
type hog struct {
	name string
	pid  int
	ran  int64         // its CPU time at the last look, ns
	seen time.Duration // when that was seen to grow
	wait time.Duration // the longest between two such moments
}

// startHogs starts n hogs of a weight, on a CPU or, if that is negative, anywhere.
func startHogs(t *testing.T, n int, name string, nice, cpu int) (list []*hog) {
	t.Helper()
	for i := range n {
		c := roleCommand("spin", "GOMAXPROCS=1")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stopHog(c) })
		pid := c.Process.Pid
		if err := setNice(pid, nice); err != nil {
			t.Fatal(err)
		}
		if cpu >= 0 {
			if err := pin(pid, cpu); err != nil {
				t.Fatal(err)
			}
		}
		list = append(list, &hog{name: fmt.Sprintf("%s%d", name, i), pid: pid})
	}
	return list
}

func stopHog(c *exec.Cmd) {
	c.Process.Kill()
	c.Wait()
}

// eachThread calls f with the number of every thread of a process.
func eachThread(pid int, f func(tid int) error) error {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return err
	}
	for _, e := range entries {
		var tid int
		if _, err := fmt.Sscan(e.Name(), &tid); err != nil {
			return err
		}
		if err := f(tid); err != nil && err != unix.ESRCH {
			return err
		}
	}
	return nil
}

func setNice(pid, nice int) error {
	return eachThread(pid, func(tid int) error { return unix.Setpriority(unix.PRIO_PROCESS, tid, nice) })
}

func pin(pid, cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return eachThread(pid, func(tid int) error { return unix.SchedSetaffinity(tid, &set) })
}

// setIdle gives a process the policy SCHED_IDLE.
func setIdle(pid int) error {
	return eachThread(pid, func(tid int) error {
		_, _, e := unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(tid), unix.SCHED_IDLE, uintptr(unsafe.Pointer(new(int32))))
		if e != 0 {
			return e
		}
		return nil
	})
}

// look notes whether the hog ran since the last look.
func (h *hog) look(t *testing.T, now time.Duration) {
	t.Helper()
	var ran int64
	err := eachThread(h.pid, func(tid int) error { // the loop may go from one thread to another
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", h.pid, tid))
		if err != nil {
			return err
		}
		var ns int64
		_, err = fmt.Sscan(string(b), &ns)
		ran += ns
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if ran != h.ran {
		h.ran, h.seen = ran, now
	}
	h.wait = max(h.wait, now-h.seen)
}

// goFirst lets the calling process, but not what it starts, go before all that the scheduler schedules.
func goFirst(t *testing.T) {
	t.Helper()
	attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	err := eachThread(os.Getpid(), func(tid int) error { return unix.SchedSetAttr(tid, attr, 0) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		own := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}
		_ = eachThread(os.Getpid(), func(tid int) error { return unix.SchedSetAttr(tid, own, 0) })
	})
}

// mustHold watches a scheduler and its hogs for a while, meddling with them every few milliseconds. The scheduler must be in force all
// the time, and no hog may wait for longer than the bound.
func mustHold(t *testing.T, s scheduler, hogs []*hog, d time.Duration, meddle func(i int) error) {
	t.Helper()
	from := time.Now()
	for i, next := 0, time.Duration(0); ; i++ {
		now := time.Since(from)
		if meddle != nil {
			if err := meddle(i); err != nil {
				t.Fatal(err)
			}
		}
		if now >= next {
			next = now + 100*time.Millisecond
			if err := s.InForce(); err != nil {
				t.Fatalf("out of force after %v: %v", now.Round(time.Millisecond), err)
			}
			for _, h := range hogs {
				h.look(t, now)
			}
		}
		if now > d {
			break
		}
		time.Sleep(3 * time.Millisecond)
	}
	for _, h := range hogs {
		t.Logf("%-8s ran %d ns, waited %v at most", h.name, h.ran, h.wait.Round(10*time.Millisecond))
		if h.wait > waitMost {
			t.Errorf("%s waited for %v", h.name, h.wait.Round(10*time.Millisecond))
		}
	}
}

// TestGuestAffinity has the affinity and the nice value of hogs changed all the time by another process, one of class SCHED_IDLE among them.
func TestGuestAffinity(t *testing.T) {
	inGuest(t)
	d := 8 * time.Second
	if soak() {
		d = 60 * time.Second
	}
	for _, name := range works {
		t.Run(name, func(t *testing.T) {
			s := putScheduler(t, scx(name))
			goFirst(t)
			hogs := append(startHogs(t, 3, "zero", 0, 0), startHogs(t, 1, "one", 0, 1)...)
			moved := startHogs(t, 3, "moved", 0, -1)
			if err := setIdle(moved[0].pid); err != nil {
				t.Fatal(err)
			}
			mustHold(t, s, append(hogs, moved...), d, func(i int) error {
				for _, h := range moved {
					if err := pin(h.pid, i&1); err != nil {
						return err
					}
				}
				return setNice(hogs[0].pid, i&1)
			})
		})
	}
}

// TestGuestNice puts a task of the lowest weight beside twelve of the highest.
func TestGuestNice(t *testing.T) {
	inGuest(t)
	d := 12 * time.Second
	if soak() {
		d = 60 * time.Second
	}
	for _, name := range works {
		t.Run(name, func(t *testing.T) {
			s := putScheduler(t, scx(name))
			goFirst(t)
			mustHold(t, s, append(startHogs(t, 12, "high", -20, 0), startHogs(t, 1, "low", 19, 0)...), d, nil)
		})
	}
}

// TestGuestNeverDispatches: the error about a scheduler that keeps all tasks from the first moment holds the kernel's reason and dump.
func TestGuestNeverDispatches(t *testing.T) {
	inGuest(t)
	s, err := tryScheduler(scx("stall", harness.Knob{Name: "grace_ms", Value: 0}))
	if err == nil {
		t.Cleanup(func() { s.Close() })
		for from := time.Now(); err == nil && time.Since(from) < 30*time.Second; time.Sleep(time.Millisecond) {
			err = s.InForce()
		}
	}
	var ejected *ejectedError
	if !errors.As(err, &ejected) {
		t.Fatalf("%v; want the kernel's reason", err)
	}
	t.Log(err)
	if ejected.Exit.Message == "" || !strings.Contains(ejected.Exit.Dump, "CPU states") {
		t.Errorf("exit %s, dump of %d bytes", ejected.Exit, len(ejected.Exit.Dump))
	}
	ownInForce(t)
}
