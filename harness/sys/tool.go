// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/kxlab/kxlab/harness"
)

// searchDirs returns the folders to search for programs, in order: the absolute ones of path, the value of PATH, and those of
// administrators' programs, which are not on every user's PATH.
func searchDirs(path string) []string {
	dirs := slices.DeleteFunc(filepath.SplitList(path), func(dir string) bool { return !filepath.IsAbs(dir) })
	return append(dirs, "/usr/sbin", "/sbin", "/usr/local/sbin")
}

// LookTool returns the absolute path of a program of this machine. It searches PATH and then the folders of administrators'
// programs; it skips relative folders of PATH, so the result does not depend on the working folder. A name with a slash is a
// path. LookTool does not follow links, because a program may act by the name it is called by (iptables).
//
// The error wraps harness.ErrNotSupported. It says how to install the program if the caller names the Debian package.
func LookTool(name string, pkg ...string) (path string, err error) {
	if strings.Contains(name, "/") {
		return lookPath(name)
	}
	var denied string
	for _, dir := range searchDirs(os.Getenv("PATH")) {
		path, err := exec.LookPath(filepath.Join(dir, name))
		if err == nil {
			return path, nil
		}
		if denied == "" && errors.Is(err, fs.ErrPermission) {
			denied = filepath.Join(dir, name)
		}
	}
	if denied != "" {
		return "", harness.Skip("program %s cannot be executed", denied)
	}
	if len(pkg) == 0 {
		return "", harness.Skip("program %s is not installed", name)
	}
	return "", harness.Skip("program %s is not installed: `apt-get install %s` adds it", name, strings.Join(pkg, " "))
}

// lookPath is LookTool for a path.
func lookPath(name string) (string, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return "", fmt.Errorf("find program %s: %w", name, err)
	}
	switch _, err = exec.LookPath(path); {
	case err == nil:
		return path, nil
	case errors.Is(err, fs.ErrPermission):
		return "", harness.Skip("program %s cannot be executed", path)
	}
	return "", harness.Skip("program %s does not exist", path)
}

// A ToolError is the failure of a program of the distribution.
type ToolError struct {
	Err    error  // of its process
	Output string // the first lines of its standard error
}

func (e ToolError) Error() string {
	if e.Output == "" {
		return e.Err.Error()
	}
	return e.Err.Error() + ": " + e.Output
}

func (e ToolError) Unwrap() error { return e.Err }

// toolLines is how many lines of a program's standard error an error has.
const toolLines = 3

// RunTool runs a program in the namespaces of the calling thread, which must be locked, and returns its standard output. When ctx is done,
// or the thread ends, the program is killed. An error wraps ToolError, unless ctx is done.
func RunTool(ctx context.Context, path string, input []byte, args ...string) ([]byte, error) {
	var out, problem bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &problem
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	switch {
	case err == nil:
		return out.Bytes(), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("run %s: %w", filepath.Base(path), ctx.Err())
	}
	lines := strings.Split(strings.TrimSpace(problem.String()), "\n")
	if len(lines) > toolLines {
		lines = append(lines[:toolLines], "…")
	}
	return nil, fmt.Errorf("run %s: %w", filepath.Base(path), ToolError{err, strings.Join(lines, "; ")})
}
