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

// files are those in which the kernel says what is counted in a window, kept open so that to read them is one call each.
type files struct {
	all  []*os.File
	kind []fileKind
}

type fileKind int

const (
	fileNetstat fileKind = iota // of the calling thread's network
	fileStat
	fileSchedstat
	fileStatus // of a thread of nginx or wrk
)

// openFiles opens them, for processes whose threads are all there.
func openFiles(pids []int) (*files, error) {
	f := &files{}
	err := errors.Join(f.open(fileNetstat, "/proc/thread-self/net/netstat"), f.open(fileStat, "/proc/stat"))
	if serr := f.open(fileSchedstat, "/proc/schedstat"); serr != nil && !errors.Is(serr, fs.ErrNotExist) {
		err = errors.Join(err, serr)
	}
	for _, pid := range pids {
		paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		for _, p := range paths {
			err = errors.Join(err, f.open(fileStatus, p))
		}
	}
	if err != nil {
		f.close()
		return nil, fmt.Errorf("prepare to count: %w", err)
	}
	return f, nil
}

func (f *files) open(k fileKind, path string) error {
	file, err := os.Open(path)
	if err == nil {
		f.all, f.kind = append(f.all, file), append(f.kind, k)
	}
	return err
}

func (f *files) close() {
	for _, file := range f.all {
		file.Close()
	}
}

// look is what the kernel said at one moment, not yet read.
type look struct {
	at     time.Time
	kind   []fileKind
	fds    []int
	text   [][]byte
	length []int
	clocks []int // processes whose CPU time is asked for, the batch threads' last; 0: none
	cpu    []unix.Timespec
	events []int // descriptors of counters of migrations
	moved  [][8]byte
	errno  unix.Errno // the first error
}

// lookBytes is the room for one file.
const lookBytes = 32 << 10

func (f *files) newLook(clocks []int, m *moves) *look {
	l := &look{kind: f.kind, length: make([]int, len(f.all)), clocks: clocks, cpu: make([]unix.Timespec, len(clocks))}
	for _, file := range f.all {
		l.fds = append(l.fds, int(file.Fd()))
		text := make([]byte, lookBytes)
		for i := range text {
			text[i] = 1 // the page is there
		}
		l.text = append(l.text, text)
	}
	if m != nil {
		l.events, l.moved = m.fds, make([][8]byte, len(m.fds))
	}
	return l
}

// A look at what is divided by the time between two looks may take lookTime; it is tried lookTries times. Even a thread that goes before
// all others is put off the CPU now and then, for up to 18 ms where the kernel's deadline server has tasks of sched_ext run.
const (
	lookTime  = 2 * time.Millisecond
	lookTries = 10
)

// take looks, by system calls of which the Go runtime is not told and without allocating: first, close to one another, at what is
// divided by the time between two looks, then at the rest.
func (l *look) take() {
	for range lookTries {
		l.at = time.Now()
		l.length[0] = 0
		l.pread(0)
		for i, pid := range l.clocks {
			if pid == 0 {
				continue
			}
			const sched = 2 // CPUCLOCK_SCHED of the kernel, see clock_getcpuclockid(3): user and system time together
			_, _, e := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, uintptr(^pid<<3|sched), uintptr(unsafe.Pointer(&l.cpu[i])), 0)
			l.note(e)
		}
		if time.Since(l.at) < lookTime {
			break
		}
	}
	for i := 1; i < len(l.fds); i++ {
		l.pread(i)
	}
	for i, fd := range l.events {
		_, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&l.moved[i])), 8)
		l.note(e)
	}
}

// pread reads a file from its beginning to its end.
func (l *look) pread(i int) {
	for l.length[i] < lookBytes {
		n, _, e := unix.RawSyscall6(unix.SYS_PREAD64, uintptr(l.fds[i]), uintptr(unsafe.Pointer(&l.text[i][l.length[i]])),
			uintptr(lookBytes-l.length[i]), uintptr(l.length[i]), 0, 0)
		l.note(e)
		if e != 0 || n == 0 {
			return
		}
		l.length[i] += int(n)
	}
}

func (l *look) note(e unix.Errno) {
	if l.errno == 0 {
		l.errno = e
	}
}

// read makes numbers of what was said.
func (l *look) read() (m webMoment, err error) {
	if l.errno != 0 {
		return m, fmt.Errorf("count: %w", l.errno)
	}
	m.at = l.at
	for i, k := range l.kind {
		raw := l.text[i][:l.length[i]]
		switch k {
		case fileNetstat:
			m.sent, err = parseNetstat(raw, "TcpExt:", "TCPOrigDataSent")
		case fileStat:
			m.switches, err = parseSwitches(raw)
		case fileSchedstat:
			m.waited, m.runs, err = parseSchedstat(raw)
		case fileStatus:
			n, _ := parseForced(raw)
			m.forced += n
		}
		if err != nil {
			return m, err
		}
	}
	for i, ts := range l.cpu {
		if i == len(l.cpu)-1 {
			m.batch = time.Duration(ts.Nano())
		} else {
			m.web += time.Duration(ts.Nano())
		}
	}
	for _, b := range l.moved {
		m.moved += binary.NativeEndian.Uint64(b[:])
	}
	return m, nil
}
