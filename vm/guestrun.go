// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Exit codes of a program that was not run, as shells have them.
const (
	codeNotRun    = 126
	codeNoProgram = 127
)

// run runs the program and returns its exit code. Its output goes to the host.
func (p *port) run(dir string, t task) (int, error) {
	input := os.DevNull
	if t.Stdin {
		input = filepath.Join(dir, stdinName)
	}
	stdin, err := os.Open(input)
	if err != nil {
		return codeNotRun, err
	}
	defer stdin.Close()
	files := []*os.File{stdin, nil, nil}
	acks := map[frameKind]*os.File{}
	if t.Acknowledge {
		ack, err := newAck()
		if err != nil {
			return codeNotRun, err
		}
		files, acks[frameStdout] = append(files, ack), ack // ackFD
	}
	var copies []<-chan struct{}
	for i, kind := range []frameKind{frameStdout, frameStderr} {
		r, w, err := os.Pipe()
		if err != nil {
			return codeNotRun, err
		}
		files[1+i] = w
		copies = append(copies, p.copy(kind, r, acks[kind]))
	}
	pid, code, err := startProgram(t, files, nil)
	files[1].Close()
	files[2].Close()
	if err == nil {
		code, err = reap(pid)
	}
	if err != nil {
		return code, err
	}
	for _, done := range copies {
		select {
		case <-done:
		case <-time.After(100 * time.Millisecond): // a grandchild holds the pipe
		}
	}
	return code, nil
}

// runOnConsole runs the program on the console, as the leader of its own session, and returns its exit code.
func runOnConsole(_ string, t task) (int, error) {
	tty, err := os.OpenFile("/dev/ttyS0", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return codeNotRun, fmt.Errorf("open console: %w", err)
	}
	defer tty.Close()
	pid, code, err := startProgram(t, []*os.File{tty, tty, tty}, &syscall.SysProcAttr{Setsid: true, Setctty: true})
	if err == nil {
		return reap(pid)
	}
	return code, err
}

// startProgram starts the program with these descriptors and returns its process. With an error it returns the exit code to report.
func startProgram(t task, files []*os.File, sys *syscall.SysProcAttr) (pid, code int, err error) {
	path, err := exec.LookPath(t.Args[0])
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return 0, codeNoProgram, fmt.Errorf("run %s: no such program in the guest", t.Args[0])
	}
	if err != nil {
		return 0, codeNotRun, fmt.Errorf("run %s: %w", t.Args[0], err)
	}
	proc, err := os.StartProcess(path, t.Args, &os.ProcAttr{
		Dir: cmp.Or(t.Dir, "/root"), Env: append(os.Environ(), t.Env...), Files: files, Sys: sys,
	})
	if err != nil {
		return 0, codeNotRun, fmt.Errorf("run %s: %w", t.Args[0], err)
	}
	// The program inherited the agent's protection from the OOM killer.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", proc.Pid), []byte("0"), 0)
	return proc.Pid, 0, nil
}

// reap waits for a child and returns its exit code, or 128 and the signal that ended it. It reaps all other children that end until
// then, orphans included.
func reap(pid int) (int, error) {
	for {
		var status unix.WaitStatus
		child, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return codeNotRun, fmt.Errorf("wait for program: %w", err)
		case child == pid && status.Signaled():
			return 128 + int(status.Signal()), nil
		case child == pid && status.Exited():
			return status.ExitStatus(), nil
		}
	}
}
