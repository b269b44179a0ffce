// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// A Cmd is a program to run in a guest, in the manner of exec.Cmd: set its fields, then Run, or Start and Wait. It can be used once.
type Cmd struct {
	Kernel *Kernel
	// Args is the program in the guest and its arguments. The program is looked up in the guest; "kxlab" is the lab's own binary.
	Args []string
	Env  []string // KEY=value, added to PATH and HOME
	Dir  string   // working folder in the guest; "": /root

	CPUs   int   // 0: 1
	Memory int64 // bytes; 0: DefaultMemory
	// Exact makes virtual time advance with executed instructions. Nil: the guest runs as fast as this machine can.
	Exact *Exact
	// OneThread makes the guest's CPUs share one thread of this machine, where instructions are translated. Exact implies it.
	// It is slower, and needed where the kernel patches its own code while other CPUs run it, as at every change of scheduler:
	// with a thread for each CPU, QEMU 7.2 stops CPUs at breakpoints that were removed, and the kernel panics ("Oops: int3";
	// 3 of 5 runs with two CPUs).
	OneThread bool

	// Virtme gives the guest this machine's root file system, read-only, through virtme-ng. The kernel must have 9p (Full),
	// Files may be in /tmp and /run only, and Tools are only checked.
	Virtme bool

	Self    string          // the static binary that is the guest's first process; "": this program's own
	Modules []string        // kernel modules, loaded in this order, each after its dependencies
	Tools   []string        // programs of this machine, by name or path, copied with their libraries
	Files   map[string]File // by absolute path in the guest

	// Acknowledge tells the program how much of its standard output has reached the host: see NewAckWriter.
	Acknowledge bool

	// Stdin becomes the program's standard input. It is read to its end before the guest boots, because input to a running guest
	// would make it differ from run to run. Nil: the program reads end of file. Not with Terminal.
	Stdin io.Reader
	// Stdout and Stderr receive the program's output; nil: dropped. While a Write blocks, the guest is stopped and does not count
	// as silent. A Write that still blocks a second after the context ended is abandoned and may return after Wait has.
	Stdout  io.Writer
	Stderr  io.Writer
	Console io.Writer // receives the kernel's messages; nil: they are kept for errors only
	// Terminal connects the program with this process's standard input and output, through the guest's console, instead of Stdout,
	// Stderr and Console. Not with Exact.
	Terminal bool
	// OnReady is called when the guest is set up, before its program's output arrives; may be nil.
	OnReady func(Ready)

	// Processor is the processor of this machine that all threads of an exact guest share: see shareProcessor. Nil: with one CPU
	// any processor that this process may use, else the first of them. Exact guests with several CPUs need the right to SCHED_FIFO.
	Processor *int
	// NoSnapshots makes an exact guest boot instead of resuming a snapshot. Its digits are the same.
	NoSnapshots bool
	// Counts receives the instructions that an exact guest executes between marks (package mark), by address, as plugin/counts.c
	// writes them; nil: they are not counted. The guest executes the same either way. See CanCount.
	Counts *os.File
	// Note receives messages that are not errors, such as that no snapshot could be made; may be nil.
	Note func(string)

	// Boot limits the wall-clock time until the guest is ready; 0: BootTime.
	Boot time.Duration
	// Silence limits the wall-clock time between two frames of the guest, which sends one each second of its own time; 0: SilenceTime.
	Silence time.Duration

	accel accel // nil: chosen by chooseAccel
	run   *guestRun
}

// Exact holds the settings of a guest with counted instructions.
type Exact struct {
	Seed uint64 // seed of all entropy: the same seed gives the same digits
}

const (
	DefaultMemory = 1 << 30          // bytes
	BootTime      = 4 * time.Minute  // two counted CPUs boot in 12 s of CPU time, on a machine that may run twenty guests
	SilenceTime   = 90 * time.Second // a second of counted instructions takes up to 10 s on a busy machine
	beatTime      = time.Second      // guest time
)

// stdinMax limits a program's standard input, bytes: it lies in the guest's memory.
const stdinMax = 256 << 20

// memorySpare is the memory, bytes, that a guest needs beside its image and the files unpacked from it, which take as much again.
const memorySpare = 160 << 20

// Run starts the guest and waits until it has ended.
func (c *Cmd) Run(ctx context.Context) error {
	if err := c.Start(ctx); err != nil {
		return err
	}
	return c.Wait()
}

// Start boots the guest. When ctx is done the guest is ended and Wait returns the context's error. An error about something that
// this machine lacks is a harness.Skip.
func (c *Cmd) Start(ctx context.Context) error {
	if c.run != nil {
		return errors.New("start guest: a Cmd can be started once")
	}
	if c.Kernel == nil || len(c.Args) == 0 {
		return errors.New("start guest: a kernel and a program are needed")
	}
	_, err := imageRelease(c.Kernel.Image)
	if err == nil {
		err = c.Kernel.require(guestOptions...)
	}
	if err != nil {
		return fmt.Errorf("start guest: %w", err)
	}
	qemu, self, err := c.hostFiles()
	if err != nil {
		return err
	}
	stdin, err := c.readStdin(stdinMax)
	if err != nil {
		return fmt.Errorf("start guest: %w", err)
	}
	t := c.task()
	t.Stdin = stdin != nil
	if free, err := sys.FreeMemory(); err == nil && c.memory() > free {
		return harness.Skip("start guest: memory: %d MiB requested, %d available: request less, or stop other programs", c.memory()>>20, free>>20)
	}
	a, err := c.chooseAccel(ctx)
	if err != nil {
		return fmt.Errorf("start guest: %w", err)
	}
	m := machine{accel: a, cpus: c.cpus(), memory: c.memory()}
	l := &launch{qemu: qemu}
	switch {
	case c.Virtme:
		err = c.composeVirtme(ctx, l, m, self, t, stdin)
	case c.Exact != nil:
		err = c.composeExact(ctx, l, m, self, t, stdin)
	default:
		err = c.composeImage(ctx, l, m, self, t, stdin)
	}
	if err == nil && c.Counts != nil {
		err = l.addCounter(c.Counts)
	}
	if err != nil {
		return fmt.Errorf("start guest: %w", errors.Join(err, l.Close()))
	}
	if c.run, err = startGuest(ctx, c, l); err != nil {
		return fmt.Errorf("start guest: %w", errors.Join(err, l.Close()))
	}
	return nil
}

func (c *Cmd) memory() int64 { return cmp.Or(c.Memory, DefaultMemory) }

// task is the guest's task, without its standard input and the caller's files.
func (c *Cmd) task() task {
	return task{Args: c.Args, Env: c.Env, Dir: c.Dir, Exact: c.Exact != nil, Beat: beatTime, Terminal: c.Terminal, Acknowledge: c.Acknowledge}
}

// hostFiles are the paths of QEMU and of the guest's first process.
func (c *Cmd) hostFiles() (qemu, self string, err error) {
	if qemu, err = findQEMU(); err != nil {
		return "", "", err
	}
	if self = c.Self; self == "" {
		if self, err = os.Executable(); err != nil {
			return "", "", fmt.Errorf("start guest: %w", err)
		}
	}
	return qemu, self, nil
}

// readStdin returns the program's standard input, at most limit bytes; nil if Stdin is nil.
func (c *Cmd) readStdin(limit int64) ([]byte, error) {
	if c.Stdin == nil {
		return nil, nil
	}
	if c.Terminal {
		return nil, errors.New("a guest with a terminal reads its input from there: Stdin must be nil")
	}
	data, err := readAtMost(c.Stdin, limit)
	if errors.Is(err, errTooLong) {
		return nil, fmt.Errorf("read standard input: more than %d bytes: put it into a file of the guest", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	return data, nil
}

// Wait returns when the guest has ended: nil if the program exited with 0 and the kernel reported no fault, the context's error if
// that ended the guest, else an *ExitError.
func (c *Cmd) Wait() error {
	if c.run == nil {
		return errors.New("wait for guest: it was not started")
	}
	<-c.run.done
	return c.run.err
}
