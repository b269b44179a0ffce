// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"fmt"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/stats"
)

// testAttr is the part of union bpf_attr for BPF_PROG_TEST_RUN (linux/bpf.h).
type testAttr struct {
	fd, retval          uint32
	dataIn, dataOut     uint32 // sizes
	dataInAt, dataOutAt uint64
	repeat, duration    uint32
	ctxIn, ctxOut       uint32 // sizes
	ctxInAt, ctxOutAt   uint64
	flags, cpu, batch   uint32
	_                   uint32
}

// enotsupp is the kernel's own error for a type of program without a test run (ENOTSUPP, linux/errno.h).
const enotsupp = unix.Errno(524)

// room is how much longer than the input an output may be, bytes: XDP has 256 bytes of headroom.
const room = 512

// A call runs one program on one input, on a thread of a place. Its system call does not tell Go's scheduler, whose threads would cost
// instructions within the measurement; so it must be short. The runtime takes the thread for one that does not yield, and sends it a signal
// after 10 ms. The thread blocks the signal; otherwise it would interrupt each test run (EINTR). It is not safe for concurrent use.
type call struct {
	attr                  testAttr
	in, out, ctx, ctxWork []byte
	kind                  Kind
	pins                  runtime.Pinner
	took                  []float64 // ns, of the calls of a turn
}

func newCall(k Kind, p *ebpf.Program, in Input) *call {
	c := &call{kind: k}
	c.use(p)
	if k.Packet {
		c.in, c.out = append([]byte{}, in.Data...), make([]byte, len(in.Data)+room)
		if k.context > 0 {
			c.ctx, c.ctxWork = make([]byte, k.context), make([]byte, k.context)
		}
		if k.Type == ebpf.XDP { // data_end, the second word, must be the end of the packet
			put32(c.ctx[4:], uint32(len(in.Data)))
		}
		c.attr.repeat = 1
	} else {
		c.ctx, c.ctxWork = append([]byte{}, in.Data...), append([]byte{}, in.Data...)
	}
	return c
}

// use makes p the program that is run. The kernel's copying costs what the addresses of the buffers make it cost: programs that are held
// against one another use one call.
func (c *call) use(p *ebpf.Program) { c.attr.fd = uint32(p.FD()) }

func put32(b []byte, v uint32) { *(*uint32)(unsafe.Pointer(&b[0])) = v }

// pin fixes the buffers, whose addresses the kernel gets.
func (c *call) pin() {
	address := func(b []byte) uint64 {
		if len(b) == 0 {
			return 0
		}
		c.pins.Pin(&b[0])
		return uint64(uintptr(unsafe.Pointer(&b[0])))
	}
	c.attr.dataInAt, c.attr.dataIn = address(c.in), uint32(len(c.in))
	c.attr.dataOutAt = address(c.out)
	c.attr.ctxIn = uint32(len(c.ctx))
	c.attr.ctxInAt = address(c.ctx)
	if c.kind.Packet {
		c.attr.ctxOutAt = address(c.ctxWork)
	} else { // a syscall program's context is written back to where it came from
		c.attr.ctxInAt = address(c.ctxWork)
	}
}

// silence asks for no output, so that the copying of a longer one is not counted as the program's.
func (c *call) silence() { c.attr.dataOutAt, c.attr.ctxOutAt = 0, 0 }

// once makes the system call.
func (c *call) once() unix.Errno {
	c.attr.dataOut, c.attr.ctxOut = 0, 0
	if c.attr.dataOutAt != 0 {
		c.attr.dataOut = uint32(len(c.out))
	}
	if c.attr.ctxOutAt != 0 {
		c.attr.ctxOut = uint32(len(c.ctxWork))
	}
	if !c.kind.Packet {
		copy(c.ctxWork, c.ctx)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_BPF, unix.BPF_PROG_TEST_RUN, uintptr(unsafe.Pointer(&c.attr)), unsafe.Sizeof(c.attr))
	return errno
}

// run runs the program once and returns its output.
func (c *call) run() (o Output, err error) {
	c.pin()
	defer c.pins.Unpin()
	if errno := c.once(); errno != 0 {
		return o, c.explain(errno)
	}
	o.Value = c.attr.retval
	if c.kind.Packet {
		o.Data = append([]byte{}, c.out[:min(int(c.attr.dataOut), len(c.out))]...)
		o.Context = append([]byte{}, c.ctxWork[:min(int(c.attr.ctxOut), len(c.ctxWork))]...)
		if c.kind.context == 0 {
			o.Context = nil
		}
	} else if c.kind.Type == ebpf.Syscall {
		o.Context = append([]byte{}, c.ctxWork...)
	}
	return o, nil
}

// time runs the program n times and returns the time: n repeats in one call of the kernel, or n times the median of n calls. Interrupts
// of less than half of the calls are not counted: on target exact the wakeup of a thread of Go's, some 10,000 instructions, comes
// every 100 us.
//
// The kernel says itself how long repeats took, but in whole nanoseconds a run. That is used for XDP only, of which each call with
// repeats changes the kernel's XDP dispatcher, which takes milliseconds. For others the time of the call counts, whose own part is
// the same in the empty program's.
func (c *call) time(n int, single bool) (d time.Duration, err error) {
	c.pin()
	defer c.pins.Unpin()
	c.silence()
	calls := n
	if !single {
		c.attr.repeat, calls = uint32(n), 1
		defer func() { c.attr.repeat = 1 }()
	}
	c.took = slices.Grow(c.took[:0], calls)[:calls]
	for i := range c.took {
		began := time.Now()
		if errno := c.once(); errno != 0 {
			return 0, c.explain(errno)
		}
		c.took[i] = float64(time.Since(began).Nanoseconds())
	}
	switch {
	case single:
		return time.Duration(stats.Median(c.took) * float64(n)), nil
	case c.kind.Type == ebpf.XDP:
		return time.Duration(c.attr.duration) * time.Duration(n), nil
	}
	return time.Duration(c.took[0]), nil
}

// explain says why the kernel refused a test run.
func (c *call) explain(errno unix.Errno) error {
	switch {
	case errno == enotsupp:
		return harness.Skip("run program: this kernel has no test run for programs of type %s", c.kind.Name)
	case errno == unix.EINVAL && !c.kind.Packet:
		return fmt.Errorf("run program: %w: is the context of %d bytes smaller than what the program reads? Give a larger one by --input", errno, len(c.ctx))
	case errno == unix.EPERM:
		return harness.Skip("run program: %v: needs root", errno)
	}
	return fmt.Errorf("run program on %d bytes: %w", len(c.in)+len(c.ctx), errno)
}
