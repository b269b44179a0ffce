// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// A command is one call of a program of the distribution.
type command struct {
	tool, pkg string // pkg: its package
	args      []string
	input     string
}

// run runs the command in the namespace of the calling thread, which must be locked. When ctx is done, or this thread ends, the
// program is killed.
func (c command) run(ctx context.Context) error {
	path, err := sys.LookTool(c.tool, c.pkg)
	if err != nil {
		return err
	}
	var problem bytes.Buffer
	cmd := exec.CommandContext(ctx, path, c.args...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(c.input), &problem
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err = cmd.Run(); err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("run %s: %w", c.tool, ctx.Err())
	}
	first, _, _ := strings.Cut(strings.TrimSpace(problem.String()), "\n")
	return fmt.Errorf("run %s: %w", c.tool, commandError{err, first})
}

// A commandError is a program's failure with its first line.
type commandError struct {
	error
	line string
}

func (e commandError) Error() string { return strings.TrimSuffix(e.error.Error()+": "+e.line, ": ") }

func (e commandError) Unwrap() error { return e.error }

// missing returns a skip if a program cannot set a table at all: the kernel or the program lacks what the table needs.
func missing(table string, err error) error {
	var failed commandError
	if errors.As(err, &failed) {
		return harness.Skip("this kernel or tool lacks what %s needs: %s", table, failed.line)
	}
	return err
}
