// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Codes of a program that was not run, as shells have them.
const (
	codeNotRun    = 126
	codeNoProgram = 127
)

// run runs the program and returns its exit code. What it writes goes to the host. All children are reaped, also those
// that others left.
func (p *port) run(dir string, t task) (int, error) {
	path, err := exec.LookPath(t.Args[0])
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
			return codeNoProgram, fmt.Errorf("run %s: no such program in the guest", t.Args[0])
		}
		return codeNotRun, fmt.Errorf("run %s: %w", t.Args[0], err)
	}
	input := os.DevNull
	if t.Stdin {
		input = filepath.Join(dir, stdinName)
	}
	stdin, err := os.Open(input)
	if err != nil {
		return codeNotRun, err
	}
	defer stdin.Close()
	files := []*os.File{stdin}
	acks := map[frameKind]*os.File{}
	if t.Acknowledge {
		if acks[frameStdout], err = newAck(); err != nil {
			return codeNotRun, err
		}
	}
	var copies []<-chan struct{}
	for _, kind := range []frameKind{frameStdout, frameStderr} {
		r, w, err := os.Pipe()
		if err != nil {
			return codeNotRun, err
		}
		files = append(files, w)
		copies = append(copies, p.copy(kind, r, acks[kind]))
	}
	inherited := files
	if ack := acks[frameStdout]; ack != nil {
		inherited = append(slices.Clone(files), ack) // ackFD
	}
	workDir := t.Dir
	if workDir == "" {
		workDir = "/root"
	}
	proc, err := os.StartProcess(path, t.Args, &os.ProcAttr{Dir: workDir, Env: append(os.Environ(), t.Env...), Files: inherited})
	for _, f := range files[1:] {
		f.Close()
	}
	if err != nil {
		return codeNotRun, fmt.Errorf("run %s: %w", t.Args[0], err)
	}
	// It has this process's protection from being killed for want of memory.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", proc.Pid), []byte("0"), 0)
	status, err := reap(proc.Pid)
	if err != nil {
		return codeNotRun, err
	}
	for _, done := range copies {
		select {
		case <-done:
		case <-time.After(100 * time.Millisecond): // a grandchild holds the pipe
		}
	}
	return exitCode(status), nil
}

// runOnConsole runs the program on the console, as the leader of a session of its own.
func runOnConsole(_ string, t task) (int, error) {
	path, err := exec.LookPath(t.Args[0])
	if err != nil {
		return codeNoProgram, fmt.Errorf("run %s: no such program in the guest", t.Args[0])
	}
	tty, err := os.OpenFile("/dev/ttyS0", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return codeNotRun, fmt.Errorf("open console: %w", err)
	}
	defer tty.Close()
	proc, err := os.StartProcess(path, t.Args, &os.ProcAttr{
		Dir: t.Dir, Env: append(os.Environ(), t.Env...), Files: []*os.File{tty, tty, tty},
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: true},
	})
	if err != nil {
		return codeNotRun, fmt.Errorf("run %s: %w", t.Args[0], err)
	}
	status, err := reap(proc.Pid)
	if err != nil {
		return codeNotRun, err
	}
	return exitCode(status), nil
}

// exitCode is that of a program, or 128 and the signal that ended it.
func exitCode(status unix.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// reap waits for a child, and takes the status of all others that end until then.
func reap(pid int) (unix.WaitStatus, error) {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for program: %w", err)
		case got == pid && (status.Exited() || status.Signaled()):
			return status, nil
		}
	}
}
