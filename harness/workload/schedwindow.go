// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/traffic"
)

// webMoment is how far nginx, wrk and the batch threads had come at one moment. The kernel is asked, none of them: under some
// schedulers a program looks at the clock late, and then divides by another time than the one in which it counted.
type webMoment struct {
	at     time.Time
	sent   uint64        // pieces of data that the kernel sent in the island, requests and answers
	web    time.Duration // CPU time of nginx's workers and wrk
	batch  time.Duration // CPU time of the batch threads
	forced uint64        // switches of nginx and wrk that they had not asked for
	tally
}

// webWindow is what happened between two moments.
type webWindow struct{ begin, end webMoment }

func (w webWindow) took() time.Duration { return w.end.at.Sub(w.begin.at) }

// answers is how many requests were answered, if each takes so many pieces of data, its own among them.
func (w webWindow) answers(pieces uint64) float64 {
	return float64(w.end.sent-w.begin.sent) / float64(pieces)
}

// maxExcess is how much more CPU time than there is may seem to have been used: the counts are not read at one instant.
const maxExcess = 0.02

// impossible says what in the window cannot be, or "".
func (w webWindow) impossible(cpus int) string {
	used := w.end.web - w.begin.web + w.end.batch - w.begin.batch
	if there := time.Duration(cpus) * w.took(); float64(used) > (1+maxExcess)*float64(there) {
		return fmt.Sprintf("the load used %v of CPU time in a window that had %v: the window is not what was counted in", used, there)
	}
	return ""
}

// windowProcs is how many goroutines may run at once meanwhile: those of the two moments must not wait for others.
const windowProcs = 8

// watch measures from warm after now, for the given time. The thread that does goes before all others, so that both moments come
// when they should whatever the scheduler does.
func (s *schedStage) watch(ctx context.Context, warm, measure time.Duration, look func(*webMoment) error) (w webWindow, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(windowProcs))
	err = traffic.Alone(func() error {
		return s.island.Do(func() error {
			sleepHere(warm)
			if err := look(&w.begin); err != nil {
				return err
			}
			sleepHere(measure - time.Since(w.begin.at))
			return look(&w.end)
		})
	})
	return w, errors.Join(err, ctx.Err())
}

// sleepHere sleeps on the calling thread: the runtime's own sleep would have another thread wake this one.
func sleepHere(d time.Duration) {
	ts := unix.NsecToTimespec(max(1, int64(d)))
	for {
		_, _, e := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, 0, uintptr(unsafe.Pointer(&ts)), uintptr(unsafe.Pointer(&ts)), 0, 0)
		if e != unix.EINTR {
			return
		}
	}
}

// lookAt fills a moment: first, close to one another, what is divided by the time between two, then the rest.
func (s *schedStage) lookAt(m *webMoment, web []int, batch int) (err error) {
	m.at = time.Now()
	if m.sent, err = dataSent(); err != nil {
		return err
	}
	for _, pid := range web {
		t, err := cpuTimeOf(pid)
		if err != nil {
			return err
		}
		m.web += t
	}
	if batch > 0 {
		if m.batch, err = cpuTimeOf(batch); err != nil {
			return err
		}
	}
	for _, pid := range web {
		m.forced += forcedOf(pid)
	}
	m.tally, err = s.count()
	return err
}

// dataSent is how many pieces of data TCP sent in the calling thread's network, what was sent again not counted.
func dataSent() (uint64, error) {
	raw, err := os.ReadFile("/proc/thread-self/net/netstat")
	if err != nil {
		return 0, fmt.Errorf("count answers: %w", err)
	}
	return parseNetstat(raw, "TcpExt:", "TCPOrigDataSent")
}

// parseNetstat finds a counter in /proc/net/netstat: a line of names, and one of numbers under the same heading.
func parseNetstat(raw []byte, heading, name string) (uint64, error) {
	var names [][]byte
	for line := range bytes.Lines(raw) {
		f := bytes.Fields(line)
		if len(f) == 0 || string(f[0]) != heading {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i, n := range names {
			if string(n) == name && i < len(f) {
				return strconv.ParseUint(string(f[i]), 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("count answers: no %s in /proc/net/netstat", name)
}

// cpuTimeOf is what a process, all its threads, has used of the CPUs. The clock's number is made of the process's
// (clock_getcpuclockid(3)).
func cpuTimeOf(pid int) (time.Duration, error) {
	const sched = 2 // CPUCLOCK_SCHED of the kernel: user and system time together
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
		return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// forcedOf is how often the threads of a process were put off the CPU without having asked for it.
func forcedOf(pid int) (sum uint64) {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, p := range paths {
		raw, _ := os.ReadFile(p)
		n, _ := parseForced(raw)
		sum += n
	}
	return sum
}
