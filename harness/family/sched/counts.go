// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// counts are the kernel's counters for the whole machine.
type counts struct {
	at            time.Time
	switches      uint64
	runqueueDelay time.Duration // runnable but not running, summed over all tasks
	runs          uint64        // times that a task started to run
	migrations    uint64        // times that a task changed its CPU
}

// readCounts reads the kernel's counters.
func (s *stage) readCounts() (counts, error) {
	t := counts{at: time.Now()}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t, fmt.Errorf("count switches: %w", err)
	}
	if t.switches, err = parseSwitches(stat); err != nil {
		return t, err
	}
	schedstat, err := os.ReadFile("/proc/schedstat")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return t, fmt.Errorf("read run-queue delay: %w", err)
	}
	if err == nil {
		if t.runqueueDelay, t.runs, err = parseSchedstat(schedstat); err != nil {
			return t, err
		}
	}
	t.migrations, err = s.migrations.read()
	return t, err
}

// rates returns the metrics that every workload reports, from the counts before and after.
func (s *stage) rates(a, b counts) []harness.Metric {
	secs := b.at.Sub(a.at).Seconds()
	out := []harness.Metric{{Unit: "switch/s", Value: float64(b.switches-a.switches) / secs}}
	if s.migrations != nil && len(s.migrations.fds) > 0 {
		out = append(out, harness.Metric{Unit: "migration/s", Value: float64(b.migrations-a.migrations) / secs})
	}
	if b.runs > a.runs {
		out = append(out, harness.Metric{Unit: "runq-sec", Value: (b.runqueueDelay - a.runqueueDelay).Seconds() / float64(b.runs-a.runs)})
	}
	return out
}

// parseSwitches finds the number of context switches in /proc/stat.
func parseSwitches(stat []byte) (uint64, error) {
	for line := range bytes.Lines(stat) {
		if rest, ok := bytes.CutPrefix(line, []byte("ctxt ")); ok {
			return strconv.ParseUint(string(bytes.TrimSpace(rest)), 10, 64)
		}
	}
	return 0, errors.New("count switches: no ctxt in /proc/stat")
}

// parseSchedstat sums, over the CPUs of /proc/schedstat, the seventh to last fields that all its versions have at the
// end of a cpu line: time run, time waited (both nanoseconds), times run (Documentation/scheduler/sched-stats.rst).
func parseSchedstat(raw []byte) (waited time.Duration, runs uint64, err error) {
	lines := bufio.NewScanner(bytes.NewReader(raw))
	cpus := 0
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		w, err1 := strconv.ParseInt(f[8], 10, 64)
		n, err2 := strconv.ParseUint(f[9], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return 0, 0, fmt.Errorf("read run-queue delay: %w", err)
		}
		waited, runs, cpus = waited+time.Duration(w), runs+n, cpus+1
	}
	if cpus == 0 {
		return 0, 0, errors.New("read run-queue delay: no CPU in /proc/schedstat")
	}
	return waited, runs, nil
}

// parseInvoluntary finds the number of involuntary context switches of a task in /proc/PID/status.
func parseInvoluntary(status []byte) (uint64, bool) {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("nonvoluntary_ctxt_switches:")); ok {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(rest)), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// migrationCounters count migrations with the kernel's software events, one counter a CPU.
type migrationCounters struct{ fds []int }

// openMigrationCounters opens the counters. On a kernel without them the result is empty and migrations are not reported.
func openMigrationCounters() *migrationCounters {
	m := &migrationCounters{}
	for cpu := range runtime.NumCPU() {
		attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_MIGRATIONS}
		attr.Size = uint32(unsafe.Sizeof(attr))
		fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			_ = m.close()
			return &migrationCounters{}
		}
		m.fds = append(m.fds, fd)
	}
	return m
}

// read returns the number of migrations since the counters were opened.
func (m *migrationCounters) read() (sum uint64, err error) {
	var b [8]byte
	for _, fd := range m.fds {
		if n, err := unix.Read(fd, b[:]); err != nil || n != len(b) {
			return 0, fmt.Errorf("read migrations: %d bytes: %w", n, err)
		}
		sum += binary.NativeEndian.Uint64(b[:])
	}
	return sum, nil
}

func (m *migrationCounters) close() error {
	var errs []error
	for _, fd := range m.fds {
		errs = append(errs, unix.Close(fd))
	}
	m.fds = nil
	return errors.Join(errs...)
}
