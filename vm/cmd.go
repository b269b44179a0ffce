// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// A Cmd is a program to be run in a guest, in the manner of exec.Cmd: set its fields, then Run, or Start and Wait. It can be
// used once.
type Cmd struct {
	Kernel *Kernel
	// Args is the program in the guest and its arguments. The program is looked up in the guest; "kxlab" is the lab's own binary.
	Args []string
	Env  []string // KEY=value, added to PATH and HOME
	Dir  string   // working folder in the guest; "": /root

	CPUs   int   // 0: 1
	Memory int64 // bytes; 0: DefaultMemory
	// Exact makes virtual time advance with executed instructions. Nil: as fast as this machine can.
	Exact *Exact
	// OneThread lets the guest's CPUs take turns on one thread of this machine, where instructions are translated. It is
	// slower, and needed where the kernel changes its own code while other CPUs run it, as it does at every change of
	// scheduler: on threads of their own, QEMU 7.2 has CPUs stop at breakpoints that are gone already, and the kernel
	// panics ("Oops: int3"; 3 of 5 runs with two CPUs). With Exact it is always so.
	OneThread bool

	// Virtme gives the guest this machine's root file system, read-only, through virtme-ng: every program is there. The kernel
	// must have 9p (the full one), Files may be in /tmp and /run only, and Tools are only checked.
	Virtme bool

	Self    string          // the static binary that is the guest's first process; "": this program's own
	Modules []string        // kernel modules, loaded in this order after what they need
	Tools   []string        // programs of this machine, by name or path, copied with their libraries
	Files   map[string]File // by absolute path in the guest

	// Acknowledge tells the program how much of its standard output has arrived: see NewAckWriter.
	Acknowledge bool

	// Stdin is read to its end before the guest boots, because nothing may come into a guest while it runs, and becomes the program's
	// standard input. Nil: the program reads end of file. Not with Terminal.
	Stdin io.Reader
	// Stdout and Stderr get what the program writes; nil: dropped. While one blocks the guest waits, and does not count as silent. When
	// the context ends, a blocked Write is given up after a second: it may return after Wait has.
	Stdout  io.Writer
	Stderr  io.Writer
	Console io.Writer // what the kernel writes; nil: only kept for errors
	// Terminal connects the program with this process's standard input and output, through the guest's console, instead of Stdout,
	// Stderr and Console. Not with Exact: nothing may come into a guest that is to repeat.
	Terminal bool
	// OnReady is called when the guest is set up, before its program's output arrives; may be nil.
	OnReady func(Ready)

	// Processor is the processor of this machine on which all threads of an exact guest run by turns: see takeTurns. Nil: with one
	// CPU any of those that this process may use, else the first of them. Exact guests with several CPUs need the right to SCHED_FIFO.
	Processor *int
	// NoSnapshots lets an exact guest boot although it could resume a snapshot. Its digits are the same.
	NoSnapshots bool
	// Note gets what is worth knowing and ends nothing, such as that no snapshot could be made; may be nil.
	Note func(string)

	Boot time.Duration // until the guest is ready; 0: BootTime. Wall-clock time, as all that follow
	// Silence is how long nothing may come from the guest, which says every second of its own time that it lives. 0: SilenceTime.
	Silence time.Duration

	accel accel // nil: what fits
	run   *guestRun
}

// Exact says how a guest with counted instructions differs from others.
type Exact struct {
	Seed uint64 // of all entropy: the same seed gives the same digits
}

const (
	DefaultMemory = 1 << 30          // bytes
	BootTime      = 4 * time.Minute  // two counted CPUs boot in 12 s of CPU time, and a machine may have twenty others at work
	SilenceTime   = 90 * time.Second // a second of counted instructions takes up to ten of a busy machine's
	beatTime      = time.Second      // of the guest's own time
)

// stdinMax is the most, in bytes, that a program in a guest can have as standard input: it lies in the guest's memory.
const stdinMax = 256 << 20

// memorySpare is what a guest needs beside twice its image: the image itself and what is unpacked from it lie in memory.
const memorySpare = 160 << 20

// Run starts the guest and waits for its end.
func (c *Cmd) Run(ctx context.Context) error {
	if err := c.Start(ctx); err != nil {
		return err
	}
	return c.Wait()
}

// Start boots the guest. When ctx is done the guest is ended and Wait returns its error. What this machine lacks is a
// harness.Skip.
func (c *Cmd) Start(ctx context.Context) error {
	if c.run != nil {
		return errors.New("start guest: it was started before")
	}
	if c.Kernel == nil || len(c.Args) == 0 {
		return errors.New("start guest: a kernel and a program are needed")
	}
	if err := checkGuest(c.Kernel); err != nil {
		return fmt.Errorf("start guest: %w", err)
	}
	qemu, err := findQEMU()
	if err != nil {
		return err
	}
	self := c.Self
	if self == "" {
		if self, err = os.Executable(); err != nil {
			return fmt.Errorf("start guest: %w", err)
		}
	}
	stdin, err := c.readStdin(stdinMax)
	if err != nil {
		return fmt.Errorf("start guest: %w", err)
	}
	t := task{Stdin: stdin != nil, Args: c.Args, Env: c.Env, Dir: c.Dir, Exact: c.Exact != nil, Beat: beatTime, Terminal: c.Terminal, Acknowledge: c.Acknowledge}
	memory := c.memory()
	if free, err := freeMemory(); err == nil && memory > free {
		return harness.Skip("start guest: %d MiB of memory are asked for and %d are available here: ask for less, or stop other programs", memory>>20, free>>20)
	}
	a, err := c.chooseAccel(ctx)
	if err != nil {
		return fmt.Errorf("start guest: %w", err)
	}
	m := machine{accel: a, cpus: c.cpus(), memory: memory}
	l := &launch{qemu: qemu}
	switch {
	case c.Virtme:
		err = c.composeVirtme(ctx, l, m, self, t, stdin)
	case c.Exact != nil:
		err = c.composeExact(ctx, l, m, self, t, stdin)
	default:
		err = c.composeImage(ctx, l, m, self, t, stdin)
	}
	if err != nil {
		return fmt.Errorf("start guest: %w", errors.Join(err, l.Close()))
	}
	if c.run, err = startGuest(ctx, c, l); err != nil {
		return fmt.Errorf("start guest: %w", errors.Join(err, l.Close()))
	}
	return nil
}

// memory is the guest's, in bytes.
func (c *Cmd) memory() int64 {
	if c.Memory == 0 {
		return DefaultMemory
	}
	return c.Memory
}

// readStdin returns what the program is to read, at most limit bytes; nil if Stdin is nil.
func (c *Cmd) readStdin(limit int64) ([]byte, error) {
	if c.Stdin == nil {
		return nil, nil
	}
	if c.Terminal {
		return nil, errors.New("a guest with a terminal reads its input from there: Stdin must be nil")
	}
	out := limitedBuffer{data: []byte{}, remaining: limit}
	if _, err := io.Copy(&out, c.Stdin); out.full {
		return nil, fmt.Errorf("read standard input: more than %d bytes: put it into a file of the guest", limit)
	} else if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	return out.data, nil
}

// Wait returns when the guest has ended: nil if the program ended with 0 and the kernel had nothing to complain of, the
// context's error if that ended it, else an *ExitError.
func (c *Cmd) Wait() error {
	if c.run == nil {
		return errors.New("wait for guest: it was not started")
	}
	<-c.run.done
	return c.run.err
}

// ready is what the guest said when it was set up; nil if it never was. After Wait.
func (c *Cmd) ready() *Ready {
	if c.run == nil {
		return nil
	}
	<-c.run.done
	return c.run.ready
}
