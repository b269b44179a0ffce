// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A guestRun is a guest from its start to its end.
type guestRun struct {
	cmd      *Cmd
	ctx      context.Context
	launch   *launch
	process  *exec.Cmd
	stderr   bytes.Buffer // of QEMU
	console  tail
	done     chan struct{} // closed when err and ready are final
	err      error
	frameErr error // why a frame of the guest was rejected
	ready    *Ready
}

// firstFD is the first descriptor that QEMU inherits after standard error.
const firstFD = 3

// startGuest starts QEMU and the goroutines that read from it.
func startGuest(ctx context.Context, c *Cmd, l *launch) (*guestRun, error) {
	consoleR, consoleW, err := pipe()
	if err != nil {
		return nil, err
	}
	channelR, channelW, err := pipe()
	if err != nil {
		consoleR.Close()
		consoleW.Close()
		return nil, err
	}
	r := &guestRun{cmd: c, ctx: ctx, launch: l, done: make(chan struct{}), console: tail{also: c.Console}}
	fd := firstFD + len(l.files)
	var port device = console{fd: fd}
	if c.Terminal {
		port = terminal{}
	}
	r.process = exec.Command(l.qemu, append(slices.Clone(l.args), commandLine(ownerName{}, port, channel{fd: fd + 1})...)...)
	r.process.ExtraFiles = append(slices.Clone(l.files), consoleW, channelW)
	r.process.Stderr = &r.stderr
	if c.Terminal {
		r.process.Stdin, r.process.Stdout = os.Stdin, os.Stdout
		l.undo = append(l.undo, terminalRestorer())
	}
	ended, err := c.startQEMU(r.process)
	consoleW.Close()
	channelW.Close()
	if err == nil {
		err = l.inherited()
	}
	if err == nil && l.monitor != nil {
		if err = l.start(ctx, cmp.Or(c.Boot, BootTime)); err != nil {
			_ = r.process.Process.Kill()
			<-ended
			err = lastWords(err, r.process, &r.stderr)
		}
	}
	if err != nil {
		consoleR.Close()
		channelR.Close()
		return nil, err
	}
	consoleDone := make(chan struct{})
	go func() {
		defer close(consoleDone)
		defer consoleR.Close()
		_, _ = io.Copy(&r.console, consoleR)
	}()
	go func() {
		defer close(r.done)
		defer channelR.Close()
		status, reason := r.follow(channelR, ended)
		<-ended
		select {
		case <-consoleDone:
		case <-time.After(consoleGrace): // the caller's Console blocks
		}
		r.err = errors.Join(r.judge(status, reason), r.launch.Close())
	}()
	return r, nil
}

// lastWords is the error of a guest that did not start, with what QEMU said and how it ended. The process has ended.
func lastWords(err error, process *exec.Cmd, stderr *bytes.Buffer) error {
	if said := lastLines(stderr.String(), 3); said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	status, ok := process.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ok && status.Signaled() && status.Signal() == syscall.SIGBUS:
		return fmt.Errorf("%w: no space for the guest's memory in the cache", err)
	case ok && status.Exited() && status.ExitStatus() != 0:
		return fmt.Errorf("%w: %v, without a word", err, process.ProcessState)
	}
	return err
}

// startQEMU starts a process of QEMU for c and returns a channel that is closed when it has exited.
func (c *Cmd) startQEMU(process *exec.Cmd) (<-chan struct{}, error) {
	// A process that reads from a terminal must be in the terminal's foreground group.
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: !c.Terminal, Pdeathsig: unix.SIGKILL}
	var place func()
	if processor, one := c.processor(); one {
		place = func() { shareProcessor(processor) }
	}
	ended, err := startOnThread(process, place)
	if err == nil && c.Exact != nil && c.cpus() > 1 {
		if err = raiseMainLoop(process.Process.Pid); err != nil {
			_ = process.Process.Kill()
			<-ended
		}
	}
	return ended, err
}

// terminalRestorer returns a function that restores the settings of standard input, which QEMU changes and leaves changed when it is
// killed.
func terminalRestorer() func() error {
	stdin := int(os.Stdin.Fd())
	old, err := unix.IoctlGetTermios(stdin, unix.TCGETS)
	return func() error {
		if err != nil {
			return nil // standard input is no terminal
		}
		return unix.IoctlSetTermios(stdin, unix.TCSETS, old)
	}
}

// pipe makes a pipe of 1 MiB if the kernel permits it, so that QEMU rarely waits for this process.
func pipe() (r, w *os.File, err error) {
	if r, w, err = os.Pipe(); err == nil {
		_, _ = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 1<<20)
	}
	return r, w, err
}

// startOnThread starts a process with a Pdeathsig, which the kernel sends when the thread that started the process ends. So a thread
// stays locked until the process has exited, when the returned channel is closed. Place, which may be nil, sets scheduling policy and
// affinity of that thread; the process inherits them, and the thread is not used again.
func startOnThread(process *exec.Cmd, place func()) (<-chan struct{}, error) {
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // with place it is never unlocked
		if place == nil {
			defer runtime.UnlockOSThread()
		} else {
			place()
		}
		err := process.Start()
		started <- err
		if err == nil {
			_ = process.Wait()
			close(ended)
		}
	}()
	return ended, <-started
}

// A stopReason is the reason for which this process ended a guest.
type stopReason int

const (
	stopNone stopReason = iota
	stopDone
	stopContext
	stopBoot
	stopSilence
	stopFrame
)

// follow reads the channel until the final report, a timeout or the end of QEMU, and ends QEMU.
func (r *guestRun) follow(channel io.Reader, ended <-chan struct{}) (*exitStatus, stopReason) {
	defer func() { _ = r.process.Process.Kill() }()
	frames, failed := make(chan frame), make(chan error, 1)
	go func() {
		for {
			f, err := readFrame(channel)
			if err != nil {
				failed <- err
				return
			}
			select {
			case frames <- f:
			case <-r.done:
				return
			}
		}
	}()
	reason := stopBoot
	timer := time.NewTimer(cmp.Or(r.cmd.Boot, BootTime))
	defer timer.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return nil, stopContext
		case <-timer.C:
			return nil, reason
		case err := <-failed:
			if errors.Is(err, errFrame) {
				r.frameErr = err
				return nil, stopFrame
			}
			select { // QEMU closes the channel when it exits
			case <-ended:
			case <-time.After(5 * time.Second):
			}
			return nil, stopNone
		case f := <-frames:
			status, err := r.take(f)
			if errors.Is(err, errStopped) {
				return nil, stopContext
			}
			if err != nil {
				r.frameErr = err
				return nil, stopFrame
			}
			if status != nil {
				return status, stopDone
			}
			if r.ready != nil {
				reason = stopSilence
				timer.Reset(cmp.Or(r.cmd.Silence, SilenceTime))
			}
		}
	}
}

// take handles a frame; it returns the status if the frame is the last.
func (r *guestRun) take(f frame) (*exitStatus, error) {
	switch f.kind {
	case frameStdout:
		return nil, r.write(r.cmd.Stdout, f.payload)
	case frameStderr:
		return nil, r.write(r.cmd.Stderr, f.payload)
	case frameHello:
		return nil, json.Unmarshal(f.payload, &hello{})
	case frameReady:
		r.ready = &Ready{}
		err := json.Unmarshal(f.payload, r.ready)
		if err == nil && r.cmd.OnReady != nil {
			r.cmd.OnReady(*r.ready)
		}
		return nil, err
	case frameBeat:
		return nil, nil
	case frameExit:
		status := &exitStatus{}
		return status, json.Unmarshal(f.payload, status)
	}
	return nil, fmt.Errorf("%w: frame of kind %q", errFrame, f.kind)
}

// errStopped means that the context ended while a writer of the caller's blocked.
var errStopped = errors.New("guest was stopped")

// writeGrace is the time that a blocked write of a guest's output has after the context's end.
const writeGrace = time.Second

// write passes output to a writer of the caller's, which may be nil. It returns errStopped if the context ends before the write does.
func (r *guestRun) write(w io.Writer, output []byte) error {
	if w == nil {
		return nil
	}
	written := make(chan error, 1)
	go func() {
		_, err := w.Write(output)
		written <- err
	}()
	select {
	case err := <-written:
		return err
	case <-r.ctx.Done():
	}
	select {
	case <-written:
	case <-time.After(writeGrace):
	}
	return errStopped
}

// consoleGrace is the time that a blocked write of the console has after QEMU's end.
const consoleGrace = 2 * time.Second

// A tail stores the end of the text written to it and passes all of it on.
type tail struct {
	also io.Writer
	mu   sync.Mutex
	data []byte
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}

const tailMax = 256 << 10 // bytes

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.data = append(t.data, p...)
	if len(t.data) > 2*tailMax {
		t.data = append(t.data[:0], t.data[len(t.data)-tailMax:]...)
	}
	t.mu.Unlock()
	if t.also != nil {
		_, _ = t.also.Write(p) // an error must not stop the guest
	}
	return len(p), nil
}
