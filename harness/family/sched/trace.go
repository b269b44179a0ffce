// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// switchEvent is the tracefs folder of the kernel's tracepoint of context switches.
const switchEvent = "/sys/kernel/tracing/events/sched/sched_switch"

// traceBytes is the size of one CPU's buffer: about 40,000 switches.
const traceBytes = 4 << 20

// A tracer records the task that each CPU runs. The kernel frees the buffers when the process exits.
type tracer struct {
	layout map[string]int // offsets in the event's record
	fds    []int
	rings  [][]byte
}

// A turn is a task on a CPU from one switch to the next, nanoseconds.
type turn struct {
	cpu        int
	task       string
	pid        int
	start, end uint64
}

// newTracer opens a recording, one buffer a CPU. The recording is off.
func newTracer() (_ *tracer, err error) {
	t := &tracer{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("trace switches: %w", err), t.close())
		}
	}()
	format, err := os.ReadFile(switchEvent + "/format")
	if err != nil {
		return nil, harness.Skip("trace switches: tracefs is not mounted: %v", err)
	}
	id, err := os.ReadFile(switchEvent + "/id")
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(strings.TrimSpace(string(id)), 10, 64)
	if err != nil {
		return nil, err
	}
	if t.layout, err = parseFormat(string(format), "prev_pid", "next_comm", "next_pid"); err != nil {
		return nil, err
	}
	for cpu := range runtime.NumCPU() {
		attr := unix.PerfEventAttr{
			Type: unix.PERF_TYPE_TRACEPOINT, Config: number, Sample: 1,
			Sample_type: unix.PERF_SAMPLE_TIME | unix.PERF_SAMPLE_RAW, Bits: unix.PerfBitDisabled,
		}
		attr.Size = uint32(unsafe.Sizeof(attr))
		fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			return nil, err
		}
		t.fds = append(t.fds, fd)
		ring, err := unix.Mmap(fd, 0, os.Getpagesize()+traceBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return nil, err
		}
		t.rings = append(t.rings, ring)
	}
	return t, nil
}

// set turns the recording on or off.
func (t *tracer) set(on bool) error {
	request := uint(unix.PERF_EVENT_IOC_DISABLE)
	if on {
		request = unix.PERF_EVENT_IOC_ENABLE
	}
	for _, fd := range t.fds {
		if err := unix.IoctlSetInt(fd, request, 0); err != nil {
			return fmt.Errorf("trace switches: %w", err)
		}
	}
	return nil
}

// turns returns the recorded turns, in order of CPU and time.
func (t *tracer) turns() ([]turn, error) {
	var out []turn
	for cpu, ring := range t.rings {
		head := binary.NativeEndian.Uint64(ring[unsafe.Offsetof(unix.PerfEventMmapPage{}.Data_head):])
		if head > traceBytes {
			return nil, errors.New("trace switches: the buffer is full: measure for less time")
		}
		one, err := parseTurns(ring[os.Getpagesize():][:head], cpu, t.layout)
		if err != nil {
			return nil, err
		}
		out = append(out, one...)
	}
	return out, nil
}

func (t *tracer) close() error {
	var errs []error
	for _, r := range t.rings {
		errs = append(errs, unix.Munmap(r))
	}
	for _, fd := range t.fds {
		errs = append(errs, unix.Close(fd))
	}
	return errors.Join(errs...)
}

// parseFormat finds the offsets of fields in a tracepoint's format.
func parseFormat(format string, fields ...string) (map[string]int, error) {
	out := map[string]int{}
	for line := range strings.Lines(format) {
		declaration, rest, ok := strings.Cut(strings.TrimSpace(line), ";")
		if !ok || !strings.HasPrefix(declaration, "field:") {
			continue
		}
		words := strings.Fields(declaration)
		name, _, _ := strings.Cut(words[len(words)-1], "[")
		offset, _, _ := strings.Cut(rest, ";")
		n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(offset), "offset:"))
		if err == nil && slices.Contains(fields, name) {
			out[name] = n
		}
	}
	for _, f := range fields {
		if _, ok := out[f]; !ok {
			return nil, fmt.Errorf("the event has no field %s", f)
		}
	}
	return out, nil
}

// parseTurns reads the records of one CPU's buffer (perf_event_open(2)): a header of type, misc and size, the time, the
// length of the raw data and the data. The last turn, which has no end, is left out.
func parseTurns(raw []byte, cpu int, layout map[string]int) ([]turn, error) {
	var out []turn
	order := binary.NativeEndian
	need := layout["next_pid"] + 4
	for len(raw) >= 8 {
		kind, size := order.Uint32(raw), int(order.Uint16(raw[6:]))
		if size < 8 || size > len(raw) {
			return nil, errors.New("trace switches: a record is longer than the rest of the buffer")
		}
		record := raw[8:size]
		raw = raw[size:]
		if kind == unix.PERF_RECORD_LOST {
			return nil, errors.New("trace switches: the kernel lost records: measure for less time")
		}
		if kind != unix.PERF_RECORD_SAMPLE || len(record) < 12+need {
			continue
		}
		at, data := order.Uint64(record), record[12:]
		if n := len(out); n > 0 {
			out[n-1].end = at
		}
		comm, _, _ := bytes.Cut(data[layout["next_comm"]:][:16], []byte{0})
		out = append(out, turn{cpu: cpu, task: string(comm), pid: int(order.Uint32(data[layout["next_pid"]:])), start: at})
	}
	return out[:max(0, len(out)-1)], nil
}
