// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
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

	"github.com/kxlab/kxlab/harness/owner"
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
	hello    *hello
	ready    *Ready
}

// firstFD is the first descriptor that QEMU inherits beside the usual three.
const firstFD = 3

// startGuest starts QEMU and what reads from it.
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
	r.process = exec.Command(l.qemu, append(slices.Clone(l.args),
		commandLine(mark{owner.Prefix + owner.Self() + "-guest"}, port, channel{fd: fd + 1})...)...)
	r.process.ExtraFiles = append(slices.Clone(l.files), consoleW, channelW)
	r.process.Stderr = &r.stderr
	r.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if c.Terminal {
		r.process.Stdin, r.process.Stdout = os.Stdin, os.Stdout
		r.process.SysProcAttr.Setpgid = false // a process that reads from a terminal must be in its foreground group
		l.undo = restoreTerminal(l.undo)
	}
	var place func()
	if processor, one := c.processor(); one {
		place = func() { takeTurns(processor) }
	}
	ended, err := startOnThread(r.process, place)
	if err == nil && c.Exact != nil && c.cpus() > 1 {
		if err = mainLoopFirst(r.process.Process.Pid); err != nil {
			_ = r.process.Process.Kill()
			<-ended
		}
	}
	consoleW.Close()
	channelW.Close()
	if err != nil {
		consoleR.Close()
		channelR.Close()
		return nil, err
	}
	if l.monitor != nil {
		if err := l.start(ctx, orElse(c.Boot, BootTime)); err != nil {
			_ = r.process.Process.Kill()
			<-ended
			consoleR.Close()
			channelR.Close()
			return nil, fmt.Errorf("%w: %s", err, lastLines(r.stderr.String(), 3))
		}
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
		status, cause := r.follow(channelR, ended)
		<-ended
		select {
		case <-consoleDone:
		case <-time.After(consoleGrace): // the caller's Console blocks
		}
		r.err = errors.Join(r.judge(status, cause), r.launch.Close())
	}()
	return r, nil
}

// restoreTerminal notes how standard input is set, which QEMU changes and cannot restore when it is killed, and returns what sets
// it so again, and then closes also.
func restoreTerminal(also io.Closer) io.Closer {
	old, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS)
	return closeFunc(func() error {
		var errs []error
		if err == nil { // it is a terminal
			errs = append(errs, unix.IoctlSetTermios(int(os.Stdin.Fd()), unix.TCSETS, old))
		}
		if also != nil {
			errs = append(errs, also.Close())
		}
		return errors.Join(errs...)
	})
}

type closeFunc func() error

func (f closeFunc) Close() error { return f() }

// pipe makes a pipe that holds as much as it may, so that QEMU need never wait for this process.
func pipe() (r, w *os.File, err error) {
	if r, w, err = os.Pipe(); err == nil {
		_, _ = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 1<<20)
	}
	return r, w, err
}

// startOnThread starts a process that is to die with this one. The kernel ends it when the thread that started it ends, so that
// thread is kept until the process has ended, when the channel is closed. Place, which may be nil, says on that thread how and where
// the process is to run; what it sets is inherited, so the thread is then good for nothing else and ends as well.
func startOnThread(process *exec.Cmd, place func()) (<-chan struct{}, error) {
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // with place for good
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

// stopReason is why this process ended a guest.
type stopReason int

const (
	stopNone stopReason = iota
	stopDone
	stopContext
	stopBoot
	stopSilence
	stopFrame
)

// follow reads the channel until the guest has said how it ended, is silent for too long or is gone, and ends QEMU.
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
	limit, reason := orElse(r.cmd.Boot, BootTime), stopBoot
	timer := time.NewTimer(limit)
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
			select { // a closed channel means that QEMU is about to end
			case <-ended:
			case <-time.After(5 * time.Second):
			}
			return nil, stopNone
		case f := <-frames:
			status, err, stopped := r.takeUnless(f)
			if stopped {
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
				limit, reason = orElse(r.cmd.Silence, SilenceTime), stopSilence
				timer.Reset(limit)
			}
		}
	}
}

// writeGrace is how long a write of a guest's output may go on after the context's end.
const writeGrace = time.Second

// takeUnless acts on a frame as take does. It returns before that with stopped if the context ends and a writer of the caller's blocks.
func (r *guestRun) takeUnless(f frame) (status *exitStatus, err error, stopped bool) {
	var w io.Writer
	switch f.kind {
	case frameStdout:
		w = r.cmd.Stdout
	case frameStderr:
		w = r.cmd.Stderr
	default:
		status, err = r.take(f)
		return status, err, false
	}
	if w == nil {
		return nil, nil, false
	}
	written := make(chan error, 1)
	go func() {
		_, err := w.Write(f.payload)
		written <- err
	}()
	select {
	case err = <-written:
		return nil, err, false
	case <-r.ctx.Done():
	}
	select {
	case <-written:
	case <-time.After(writeGrace):
	}
	return nil, nil, true
}

// take acts on a frame that is not output; it returns the status if the frame is the last.
func (r *guestRun) take(f frame) (*exitStatus, error) {
	switch f.kind {
	case frameHello:
		r.hello = &hello{}
		return nil, json.Unmarshal(f.payload, r.hello)
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

func orElse(d, other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return d
}

// consoleGrace is how long a write of the console may go on after QEMU's end.
const consoleGrace = 2 * time.Second

// A tail keeps the last part of what is written to it, and passes all of it on.
type tail struct {
	also io.Writer
	mu   sync.Mutex
	data []byte
}

// text returns what is kept.
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
