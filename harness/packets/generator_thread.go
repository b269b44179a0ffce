// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

const (
	// stopSignal interrupts a run. Go's runtime ignores it. Every other signal is blocked on the generator's thread, because
	// each would end the system call, and a new one costs 24 ms.
	stopSignal = syscall.Signal(64)
	// slotsPerCall is the largest number of packets of one system call, which then takes minutes. Below 1<<31, so that the
	// kernel's own count of slots cannot overflow.
	slotsPerCall = 1 << 30
	batch        = 64
	// poll is the interval of checks whether a run has ended.
	poll = 2 * time.Millisecond
)

// runAttr is the part of union bpf_attr that BPF_PROG_TEST_RUN uses.
type runAttr struct {
	prog, retval             uint32
	sizeIn, sizeOut          uint32
	in                       unsafe.Pointer
	out                      uint64
	repeat, duration         uint32
	ctxSizeIn, ctxSizeOut    uint32
	ctxIn, ctxOut            uint64
	flags, cpu, batchSize, _ uint32
}

// testRun runs the program on so many slots. Note: ebpf.Program.Run repeats a whole call that was interrupted; here loop
// continues it for the packets that the program has not yet sent.
func (g *Generator) testRun(repeat uint32) error {
	a := runAttr{
		prog: uint32(g.coll.Programs["generate"].FD()), sizeIn: uint32(len(g.frame)), in: unsafe.Pointer(&g.frame[0]),
		repeat: repeat, flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES, batchSize: batch,
	}
	_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_TEST_RUN, uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a))
	runtime.KeepAlive(g)
	switch errno {
	case 0, unix.EINTR, unix.EAGAIN:
		return nil
	case unix.EINVAL, unix.EOPNOTSUPP, 524: // ENOTSUPP
		return fmt.Errorf("%w: live XDP frames: %w", harness.ErrNotSupported, errno)
	}
	return errno
}

// execute runs the program until the limit is reached, its time is over or ctx is done.
func (g *Generator) execute(ctx context.Context, cpu int) error {
	var tid, stop atomic.Int32
	done := make(chan error, 1)
	go sys.OnThread(func() { // which ends with its CPU, namespace and signals
		done <- g.port.Do(func() error {
			err := pin(cpu)
			if err == nil && g.stream.Alone {
				err = sys.SetAlone()
			}
			if err != nil {
				return err
			}
			tid.Store(int32(unix.Gettid()))
			return g.loop(&stop)
		})
	})
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	cancelled := ctx.Done()
	for {
		select {
		case err := <-done:
			return harness.Wrap(err, "run generator")
		case <-cancelled:
			cancelled = nil
			stop.Store(1)
			if err := g.halt(); err != nil {
				return err // cannot happen while the memory is mapped
			}
		case <-ticker.C:
		}
		if s, err := g.read(); err != nil || s.Sent < s.Limit {
			continue
		}
		// The program sends nothing in the remaining slots of the call. The thread may have ended already.
		stop.Store(1)
		if id := tid.Load(); id != 0 {
			_ = unix.Tgkill(os.Getpid(), int(id), stopSignal)
		}
	}
}

// loop makes calls until the run is over.
func (g *Generator) loop(stop *atomic.Int32) error {
	for stop.Load() == 0 {
		s, err := g.read()
		if err != nil {
			return err
		}
		if s.Sent >= s.Limit {
			return nil
		}
		slots := uint64(slotsPerCall)
		if g.stream.Rate == 0 {
			slots = min(slots, s.Limit-s.Sent)
		}
		if g.stream.CallPackets > 0 {
			slots = min(slots, uint64(g.stream.CallPackets))
		}
		if err := g.testRun(uint32(slots)); err != nil {
			return err
		}
	}
	return nil
}

// pin binds the calling thread to one CPU and blocks all signals but stopSignal.
func pin(cpu int) error {
	if err := sys.Pin(0, cpu); err != nil {
		return err
	}
	return sys.BlockSignals(stopSignal)
}
