// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// searchDirs are the folders where programs are searched for, in order, given the value of PATH: its absolute ones, and those
// of administrators' programs, which are not on every user's PATH.
func searchDirs(path string) []string {
	var dirs []string
	for _, dir := range filepath.SplitList(path) {
		if filepath.IsAbs(dir) {
			dirs = append(dirs, dir)
		}
	}
	return append(dirs, "/usr/sbin", "/sbin", "/usr/local/sbin")
}

// LookTool returns the absolute path of a program of this machine. A name is searched for in PATH and then in the folders of
// administrators' programs; relative folders of PATH are left out, so the answer does not depend on the working folder.
// A name with a slash is a path. Links are not followed: a program may go by its name (iptables).
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

// lookPath is LookTool of a name with a slash.
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
	return "", harness.Skip("program %s is not there", path)
}
