// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Calibration compares virtual time with a loop of known length: in exact one nanosecond is one instruction. The loop runs in
// pieces shorter than the time between two timer ticks. Counted is the median piece's time multiplied by the number of pieces;
// Ticks is the rest of the total.
type Calibration struct {
	Known   int64         `json:"known"`   // instructions of the loop
	Counted int64         `json:"counted"` // virtual nanoseconds of the loop, without ticks
	Ticks   int64         `json:"ticks"`   // virtual nanoseconds
	Waited  time.Duration `json:"waited"`  // virtual time until the guest was idle
	Busy    float64       `json:"busy"`    // share of the last window in which the guest was not idle
}

// String returns the line that a run prints.
func (c *Calibration) String() string {
	return fmt.Sprintf("calibration: %d instructions counted, %d known (%+.3f %%), and %d in timer ticks; idle after %v",
		c.Counted, c.Known, c.off()*100, c.Ticks, c.Waited)
}

func (c *Calibration) off() float64 { return float64(c.Counted)/float64(c.Known) - 1 }

const (
	spinPieces  = 21
	spinLoops   = 500_000                // iterations of 2 instructions in a piece: 1 ms
	offMax      = 0.002                  // share of Known by which Counted may differ
	ticksMax    = 0.02                   // share of Known that Ticks may take
	idleWindow  = 500 * time.Millisecond // virtual time
	idleBusyMax = 0.05                   // share of a window that an idle guest may be busy
	idleWait    = 60 * time.Second       // virtual time until the wait for an idle guest fails
	idleInARow  = 2                      // consecutive idle windows required

	calibrateTries = 5
)

// calibrate waits until the guest is idle and measures the loop, up to calibrateTries times. It returns the last calibration, also
// with an error, which says why the guest must not measure.
func calibrate() (*Calibration, error) {
	start := time.Now()
	for try := 1; ; try++ {
		c := &Calibration{Known: spinPieces * 2 * spinLoops}
		if err := c.waitIdle(busyShare, func() time.Duration { return time.Since(start) }); err != nil {
			return c, err
		}
		if err := c.measure(); err == nil || try == calibrateTries {
			return c, err
		}
	}
}

// waitIdle waits until the guest is idle, at most until since exceeds idleWait. Busy waits for a window and returns the share of it
// in which the guest was busy.
func (c *Calibration) waitIdle(busy func(window time.Duration) (float64, error), since func() time.Duration) error {
	for quiet := 0; quiet < idleInARow; {
		share, err := busy(idleWindow)
		if err != nil {
			return err
		}
		c.Busy = share
		if quiet++; share > idleBusyMax {
			quiet = 0
		}
		if since() > idleWait {
			return fmt.Errorf("calibrate: the guest is not idle after %v of its time: %.0f %% busy", idleWait, share*100)
		}
	}
	c.Waited = since()
	return nil
}

func (c *Calibration) measure() error {
	restore, err := isolateThread()
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	pieces := make([]int64, spinPieces)
	for i := range pieces {
		began := time.Now()
		spin(spinLoops)
		pieces[i] = time.Since(began).Nanoseconds()
	}
	restore()
	return c.check(pieces)
}

// check sets Counted and Ticks from the pieces' times, virtual nanoseconds. Its error says why the guest must not measure.
func (c *Calibration) check(pieces []int64) error {
	slices.Sort(pieces)
	c.Counted, c.Ticks = pieces[len(pieces)/2]*int64(len(pieces)), 0
	for _, took := range pieces {
		c.Ticks += took
	}
	c.Ticks -= c.Counted
	if off := c.off(); off > offMax || off < -offMax {
		return fmt.Errorf("calibrate: virtual time does not count instructions: %d counted, %d known (%+.2f %%, at most %.1f %%)",
			c.Counted, c.Known, off*100, offMax*100)
	}
	if share := float64(c.Ticks) / float64(c.Known); share > ticksMax {
		return fmt.Errorf("calibrate: the guest is not idle: ticks took %.1f %% of a loop's time, at most %.0f %%", share*100, ticksMax*100)
	}
	return nil
}

// isolateThread keeps this process's other threads off all CPUs while the calling goroutine runs, above all the Go runtime's monitor,
// which wakes every few microseconds. CPUs share one clock, so a thread on another CPU would count as well.
func isolateThread() (restore func(), err error) {
	runtime.LockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, fmt.Errorf("read affinity: %w", err)
	}
	one.Set(0)
	setAffinity(&one)
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0); err != nil {
		return nil, fmt.Errorf("set real-time priority: %w", err)
	}
	return func() {
		_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0)
		setAffinity(&all)
		runtime.UnlockOSThread()
	}, nil
}

func setAffinity(set *unix.CPUSet) {
	threads, _ := filepath.Glob("/proc/self/task/[0-9]*")
	for _, t := range threads {
		if tid, err := strconv.Atoi(filepath.Base(t)); err == nil {
			_ = unix.SchedSetaffinity(tid, set) // a thread may have ended
		}
	}
}

// busyShare waits for a window and returns the share of CPU time in it that was not idle.
func busyShare(window time.Duration) (float64, error) {
	before, err := idleTime()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	time.Sleep(window)
	after, err := idleTime()
	if err != nil {
		return 0, err
	}
	return busyOf(before, after, time.Since(start))
}

// busyOf returns the share of CPU time in took that was not idle, from each CPU's idle time before and after.
func busyOf(before, after []time.Duration, took time.Duration) (float64, error) {
	if len(before) != len(after) {
		return 0, fmt.Errorf("read idle time: %d CPUs before and %d after", len(before), len(after))
	}
	var idle time.Duration
	for i := range after {
		idle += after[i] - before[i]
	}
	return max(0, 1-float64(idle)/float64(took*time.Duration(len(after)))), nil
}

// userHZ is the resolution of times in /proc/stat, per second.
const userHZ = 100

// idleTime reads each CPU's idle time since boot from /proc/stat.
func idleTime() ([]time.Duration, error) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil, fmt.Errorf("read idle time: %w", err)
	}
	return parseIdle(string(raw))
}

// parseIdle reads the idle times in the text of /proc/stat.
func parseIdle(stat string) ([]time.Duration, error) {
	var out []time.Duration
	for line := range strings.Lines(stat) {
		f := strings.Fields(line)
		if len(f) < 6 || !strings.HasPrefix(f[0], "cpu") || f[0] == "cpu" {
			continue
		}
		var sum int64
		for _, field := range f[4:6] { // idle, iowait
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("read idle time: %w", err)
			}
			sum += n
		}
		out = append(out, time.Duration(sum)*time.Second/userHZ)
	}
	if len(out) == 0 {
		return nil, errors.New("read idle time: /proc/stat lists no CPU")
	}
	return out, nil
}
