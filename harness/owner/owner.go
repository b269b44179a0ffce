// SPDX-License-Identifier: Apache-2.0

// Package owner derives the names of the lab's objects (namespaces, cgroups, folders) from the process that makes them, so
// that objects of a dead process can be removed and those of a live process kept. Packages netlab and vm make and remove the objects; this
// one makes temporary folders.
package owner

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Prefix is the prefix of the name of every object of the lab.
const Prefix = "kxlab-"

// Self identifies this process even if its number is reused: the number and the start time in clock ticks since boot.
// The name of an object is Prefix, Self and the object's role.
func Self() string {
	start, _ := StartTime(os.Getpid()) // fails only without /proc, which the lab needs anyway
	return fmt.Sprintf("%d-%d", os.Getpid(), start)
}

// Dead is true if the name is the lab's and its process has certainly exited. If that is unknown, for example for
// want of descriptors, the process counts as live, because objects of dead processes are removed.
func Dead(name string) bool {
	pid, start, _, ok := Parse(name)
	if !ok {
		return false
	}
	now, err := StartTime(pid)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
	}
	return now != start
}

// Parse splits a name into its owner and the rest: kxlab-12-3456-client. ok is false if the name is not the lab's.
func Parse(name string) (pid int, start uint64, role string, ok bool) {
	rest, found := strings.CutPrefix(name, Prefix)
	parts := append(strings.SplitN(rest, "-", 3), "", "")
	pid, pidErr := strconv.Atoi(parts[0])
	start, startErr := strconv.ParseUint(parts[1], 10, 64)
	if !found || pidErr != nil || pid <= 0 || startErr != nil {
		return 0, 0, "", false
	}
	return pid, start, parts[2], true
}

// StartTime reads field 22 of /proc/PID/stat. The command name before it may hold spaces and parentheses.
func StartTime(pid int) (uint64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read start time of process %d: %w", pid, err)
	}
	end := bytes.LastIndexByte(raw, ')')
	fields := strings.Fields(string(raw[end+1:])) // from field 3, the state, on
	if end < 0 || len(fields) < 20 {
		return 0, fmt.Errorf("read start time of process %d: cannot parse %q", pid, raw)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return 0, fmt.Errorf("read start time of process %d: %w", pid, os.ErrNotExist)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// tempRole begins the roles of temporary folders.
const tempRole = "temp."

// TempDir makes a temporary folder, which the caller removes, and removes those of processes that were killed before they did. Its name
// has the word what.
func TempDir(what string) (string, error) {
	if _, err := RemoveTemp(); err != nil {
		return "", err
	}
	return os.MkdirTemp("", Prefix+Self()+"-"+tempRole+what+"-")
}

// RemoveTemp removes the temporary folders of dead processes, but those of other users, and returns their paths.
func RemoveTemp() (removed []string, err error) {
	all, _ := os.ReadDir(os.TempDir()) // what cannot be read has none of this user's
	var errs []error
	for _, e := range all {
		if _, _, role, _ := Parse(e.Name()); !strings.HasPrefix(role, tempRole) || !Dead(e.Name()) {
			continue
		}
		path := filepath.Join(os.TempDir(), e.Name())
		switch err := os.RemoveAll(path); {
		case err == nil:
			removed = append(removed, path)
		case !errors.Is(err, fs.ErrPermission):
			errs = append(errs, err)
		}
	}
	return removed, errors.Join(errs...)
}
