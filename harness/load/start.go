// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A Load is a running program. It is not safe for concurrent use.
type Load struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr strings.Builder
	waited bool
}

// Start starts the program and returns when it is ready to begin. The program is killed when ctx is done.
func Start(ctx context.Context, s Spec) (*Load, error) {
	arg, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("start load: %w", err)
	}
	l := &Load{cmd: exec.CommandContext(ctx, "/proc/self/exe", Command, string(arg))}
	l.cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1", "GOGC=off", "GOMEMLIMIT=off")
	l.cmd.Stderr = &l.stderr
	l.cmd.WaitDelay = time.Second
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	l.in, err = l.cmd.StdinPipe()
	var out io.ReadCloser
	if err == nil {
		out, err = l.cmd.StdoutPipe()
	}
	if err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start load: %w", err)
	}
	l.out = bufio.NewReader(out)
	if line, err := l.out.ReadString('\n'); err != nil || line != "ready\n" {
		cerr := l.Close() // completes stderr
		return nil, errors.Join(fmt.Errorf("start load %s: output %q, want \"ready\": %s", s.Kind, line, l.stderr.String()), cerr)
	}
	return l, nil
}

// Pid is the program's process.
func (l *Load) Pid() int { return l.cmd.Process.Pid }

// Go begins the load.
func (l *Load) Go() error { return l.send("go") }

// Stop ends a load without an end of its own.
func (l *Load) Stop() error { return l.send("stop") }

func (l *Load) send(command string) error {
	if _, err := io.WriteString(l.in, command+"\n"); err != nil {
		return fmt.Errorf("send %q to load: %w", command, err)
	}
	return nil
}

// Wait waits for the end and returns the report.
func (l *Load) Wait() (Report, error) {
	var r Report
	line, err := l.out.ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &r)
	}
	if werr := l.Close(); err == nil {
		err = werr
	}
	if err != nil {
		return r, fmt.Errorf("wait for load: %w: %s", err, l.stderr.String())
	}
	return r, nil
}

// Close ends the program if it has not ended. It may be called more than once.
func (l *Load) Close() error {
	if l.waited {
		return nil
	}
	l.waited = true
	_ = l.in.Close() // makes the program exit
	killer := time.AfterFunc(time.Second, func() { _ = l.cmd.Process.Kill() })
	defer killer.Stop()
	if err := l.cmd.Wait(); err != nil {
		return fmt.Errorf("end load: %w: %s", err, l.stderr.String())
	}
	return nil
}

// Run starts the load, begins it and waits for its end.
func Run(ctx context.Context, s Spec) (Report, error) {
	l, err := Start(ctx, s)
	if err != nil {
		return Report{}, err
	}
	defer l.Close()
	if err := l.Go(); err != nil {
		return Report{}, err
	}
	return l.Wait()
}
