// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/sys"
)

// webCounts are the kernel's counters of nginx, wrk and the batch threads at one moment. The programs' own figures
// are not used: under some schedulers a program reads the clock late, and so its rate has the wrong divisor.
type webCounts struct {
	counts
	segments    uint64        // TCP segments with data sent in the island, requests and answers
	web         time.Duration // CPU time of nginx's workers and wrk
	batch       time.Duration // CPU time of the batch threads
	involuntary uint64        // involuntary context switches of nginx and wrk
}

// A webWindow is the counters at the beginning and the end of a measurement.
type webWindow struct{ begin, end webCounts }

func (w webWindow) duration() time.Duration { return w.end.at.Sub(w.begin.at) }

// answers returns the number of answered requests, from the segments of one request and its answer.
func (w webWindow) answers(perRequest uint64) float64 {
	return float64(w.end.segments-w.begin.segments) / float64(perRequest)
}

// maxExcess is the tolerated excess of used over available CPU time, as a share: the counters are not read at one instant.
const maxExcess = 0.02

// explainExcess returns why the window is impossible, or "".
func (w webWindow) explainExcess(cpus int) string {
	used := w.end.web - w.begin.web + w.end.batch - w.begin.batch
	if there := time.Duration(cpus) * w.duration(); float64(used) > (1+maxExcess)*float64(there) {
		return fmt.Sprintf("the load used %v of CPU time in a window of %v: the counters were not read at the window's ends", used, there)
	}
	return ""
}

// measureWindow reads the counters after warm, and again after measure. The reading thread has the highest priority
// and does not enter the Go runtime between the two readings: a thread that the scheduler starves may hold a lock or
// a P of the runtime.
func (s *stage) measureWindow(ctx context.Context, web []int, batch int, warm, measure time.Duration) (w webWindow, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(windowProcs))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var begin, end *reading
	err = sys.Alone(func() error {
		return s.island.Do(func() (err error) {
			f, err := openProcFiles(web)
			if err != nil {
				return err
			}
			defer f.close()
			clocks := append(slices.Clone(web), batch)
			begin, end = f.newReading(clocks, s.migrations), f.newReading(clocks, s.migrations)
			sleepThread(warm)
			begin.fill()
			sleepThread(measure - time.Since(begin.at))
			end.fill()
			return nil
		})
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return w, err
	}
	w.begin, err = begin.parse()
	if err == nil {
		w.end, err = end.parse()
	}
	return w, err
}

// windowProcs is GOMAXPROCS during a window: the goroutine that blocks in the kernel keeps its P.
const windowProcs = 8

// sleepThread blocks the calling thread in the kernel. With the runtime's own sleep, another thread would have to
// wake this one.
func sleepThread(d time.Duration) {
	ts := unix.NsecToTimespec(max(1, int64(d)))
	for {
		_, _, e := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, 0, uintptr(unsafe.Pointer(&ts)), uintptr(unsafe.Pointer(&ts)), 0, 0)
		if e != unix.EINTR {
			return
		}
	}
}

// parseNetstat returns a counter of /proc/net/netstat, which has a line of names and a line of numbers for each heading.
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
