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

// webMoment is how far nginx, wrk and the batch threads had come at one moment. The kernel is asked, none of them: under some
// schedulers a program looks at the clock late, and then divides by another time than the one in which it counted.
type webMoment struct {
	tally
	sent   uint64        // pieces of data that the kernel sent in the island, requests and answers
	web    time.Duration // CPU time of nginx's workers and wrk
	batch  time.Duration // CPU time of the batch threads
	forced uint64        // switches of nginx and wrk that they had not asked for
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

// watch measures from warm after now, for the given time. The thread that does goes before all others, and asks nothing of the Go
// runtime between the two moments: a lock or a P of the runtime may be held by a thread that the scheduler lets wait.
func (s *stage) watch(ctx context.Context, web []int, batch int, warm, measure time.Duration) (w webWindow, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(windowProcs))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var begin, end *look
	err = sys.Alone(func() error {
		return s.island.Do(func() (err error) {
			f, err := openFiles(web)
			if err != nil {
				return err
			}
			defer f.close()
			clocks := append(slices.Clone(web), batch)
			begin, end = f.newLook(clocks, s.moves), f.newLook(clocks, s.moves)
			sleepHere(warm)
			begin.take()
			sleepHere(measure - time.Since(begin.at))
			end.take()
			return nil
		})
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return w, err
	}
	w.begin, err = begin.read()
	if err == nil {
		w.end, err = end.read()
	}
	return w, err
}

// windowProcs is how many goroutines may run at once meanwhile: the one that waits in the kernel keeps its place.
const windowProcs = 8

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
