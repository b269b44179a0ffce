// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// procFiles are the /proc files with the counters of a window. The files stay open, so that each read is one system call.
type procFiles struct {
	open  []*os.File
	kinds []fileKind
}

type fileKind int

const (
	fileNetstat fileKind = iota // of the calling thread's network namespace
	fileStat
	fileSchedstat
	fileStatus // of a thread of nginx or wrk
)

// openProcFiles opens the files. Every thread of the processes must exist already.
func openProcFiles(pids []int) (*procFiles, error) {
	f := &procFiles{}
	err := errors.Join(f.add(fileNetstat, "/proc/thread-self/net/netstat"), f.add(fileStat, "/proc/stat"))
	if serr := f.add(fileSchedstat, "/proc/schedstat"); serr != nil && !errors.Is(serr, fs.ErrNotExist) {
		err = errors.Join(err, serr)
	}
	for _, pid := range pids {
		paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		for _, p := range paths {
			err = errors.Join(err, f.add(fileStatus, p))
		}
	}
	if err != nil {
		f.close()
		return nil, fmt.Errorf("open the files of counters: %w", err)
	}
	return f, nil
}

func (f *procFiles) add(k fileKind, path string) error {
	file, err := os.Open(path)
	if err == nil {
		f.open, f.kinds = append(f.open, file), append(f.kinds, k)
	}
	return err
}

func (f *procFiles) close() {
	for _, file := range f.open {
		file.Close()
	}
}

// A reading holds the kernel's counters of one moment as text, not yet parsed.
type reading struct {
	at         time.Time
	kinds      []fileKind
	fds        []int
	buffers    [][]byte
	lengths    []int
	clocks     []int // processes whose CPU time is read, the batch threads' last; 0: none
	cpuTimes   []unix.Timespec
	events     []int // descriptors of the migration counters
	migrations [][8]byte
	errno      unix.Errno // the first error
}

// readingBytes is the size of the buffer of one file.
const readingBytes = 32 << 10

func (f *procFiles) newReading(clocks []int, m *migrationCounters) *reading {
	l := &reading{kinds: f.kinds, lengths: make([]int, len(f.open)), clocks: clocks, cpuTimes: make([]unix.Timespec, len(clocks))}
	for _, file := range f.open {
		l.fds = append(l.fds, int(file.Fd()))
		text := make([]byte, readingBytes)
		for i := range text {
			text[i] = 1 // fault the page in
		}
		l.buffers = append(l.buffers, text)
	}
	if m != nil {
		l.events, l.migrations = m.fds, make([][8]byte, len(m.fds))
	}
	return l
}

// The counters that become rates must be read within readingTime; fill tries readingTries times. Even a thread of the
// highest priority is preempted at times, because the kernel's deadline server lets tasks of sched_ext run.
const (
	readingTime  = 2 * time.Millisecond
	readingTries = 10
)

// fill reads the counters with raw system calls, unknown to the Go runtime, and without allocating. The counters that
// become rates are read first and close to one another, then the rest.
func (l *reading) fill() {
	for range readingTries {
		l.at = time.Now()
		l.lengths[0] = 0
		l.pread(0)
		for i, pid := range l.clocks {
			if pid == 0 {
				continue
			}
			const sched = 2 // CPUCLOCK_SCHED of the kernel, see clock_getcpuclockid(3): user and system time together
			_, _, e := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, uintptr(^pid<<3|sched), uintptr(unsafe.Pointer(&l.cpuTimes[i])), 0)
			l.keepError(e)
		}
		if time.Since(l.at) < readingTime {
			break
		}
	}
	for i := 1; i < len(l.fds); i++ {
		l.pread(i)
	}
	for i, fd := range l.events {
		_, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&l.migrations[i])), 8)
		l.keepError(e)
	}
}

// pread reads a whole file into its buffer.
func (l *reading) pread(i int) {
	for l.lengths[i] < readingBytes {
		n, _, e := unix.RawSyscall6(unix.SYS_PREAD64, uintptr(l.fds[i]), uintptr(unsafe.Pointer(&l.buffers[i][l.lengths[i]])),
			uintptr(readingBytes-l.lengths[i]), uintptr(l.lengths[i]), 0, 0)
		l.keepError(e)
		if e != 0 || n == 0 {
			return
		}
		l.lengths[i] += int(n)
	}
}

func (l *reading) keepError(e unix.Errno) {
	if l.errno == 0 {
		l.errno = e
	}
}

// parse returns the numbers of the reading.
func (l *reading) parse() (m webCounts, err error) {
	if l.errno != 0 {
		return m, fmt.Errorf("read counters: %w", l.errno)
	}
	m.at = l.at
	for i, k := range l.kinds {
		raw := l.buffers[i][:l.lengths[i]]
		switch k {
		case fileNetstat:
			m.segments, err = parseNetstat(raw, "TcpExt:", "TCPOrigDataSent")
		case fileStat:
			m.switches, err = parseSwitches(raw)
		case fileSchedstat:
			m.runqueueDelay, m.runs, err = parseSchedstat(raw)
		case fileStatus:
			n, _ := parseInvoluntary(raw)
			m.involuntary += n
		}
		if err != nil {
			return m, err
		}
	}
	for i, ts := range l.cpuTimes {
		if i == len(l.cpuTimes)-1 {
			m.batch = time.Duration(ts.Nano())
		} else {
			m.web += time.Duration(ts.Nano())
		}
	}
	for _, b := range l.migrations {
		m.migrations += binary.NativeEndian.Uint64(b[:])
	}
	return m, nil
}
