// SPDX-License-Identifier: Apache-2.0

package kernel

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

// A tool is a program of the distribution that sets rules.
type tool struct {
	path string
	name string
}

// findTool looks a tool up. Without it the error wraps harness.ErrNotSupported and names its package.
func findTool(name, pkg string) (tool, error) {
	path, err := sys.LookTool(name, pkg)
	return tool{path, name}, err
}

// run runs the tool in the namespace with the given standard input and returns its standard output. When ctx is done,
// or this process dies, the tool is killed. An error holds the first lines the tool wrote.
func (t tool) run(ctx context.Context, ns string, input []byte, args ...string) ([]byte, error) {
	var out, problem bytes.Buffer
	// The thread stays in the namespace until the tool has ended: Pdeathsig refers to the thread, not the process.
	err := sys.InNS(ns, func() error {
		cmd := exec.CommandContext(ctx, t.path, args...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &problem
		cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd.Run()
	})
	switch {
	case err == nil:
		return out.Bytes(), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("run %s: %w", t.name, ctx.Err())
	}
	return nil, fmt.Errorf("run %s: %w", t.name, toolError{err, firstLines(problem.String(), 3)})
}

// A toolError is a tool's failure with its output.
type toolError struct {
	err    error
	output string
}

func (e toolError) Error() string {
	if e.output == "" {
		return e.err.Error()
	}
	return e.err.Error() + ": " + e.output
}

func (e toolError) Unwrap() error { return e.err }

func firstLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) > n {
		lines = append(lines[:n], "…")
	}
	return strings.Join(lines, "; ")
}

// missing returns a skip for the feature if the error is a tool's.
func missing(feature string, err error) error {
	var failed toolError
	if errors.As(err, &failed) {
		return harness.Skip("this kernel or tool lacks %s: %s", feature, failed.output)
	}
	return err
}
