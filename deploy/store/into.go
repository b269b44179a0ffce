// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// copyPrefix begins the names of folders that get has not filled yet. Each is locked by its process.
const copyPrefix = ".kxlab-store-"

// intoNew calls fill on a temporary directory, and makes it dir if that succeeds. Dir must not be there, or be empty.
func intoNew(dir string, fill func(tmp string) error) error {
	if have, err := os.ReadDir(dir); err == nil && len(have) > 0 {
		return fmt.Errorf("%s is not empty: name a new folder", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := newCopy(parent)
	if err != nil {
		return err
	}
	defer tmp.Close()
	defer os.RemoveAll(tmp.Name())
	if err := fill(tmp.Name()); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(tmp.Name(), dir)
}

// newCopy makes a locked folder in a directory, and removes those of processes that were killed. Locks hold across machines that share a file
// system, where numbers of processes do not. A file system without locks keeps what was left.
func newCopy(parent string) (*os.File, error) {
	all, err := os.Open(parent)
	if err != nil {
		return nil, err
	}
	defer all.Close()
	// While the directory is locked, a folder without a lock is that of a dead process.
	if err := syscall.Flock(int(all.Fd()), syscall.LOCK_EX); err == nil {
		if err := removeCopies(parent); err != nil {
			return nil, err
		}
	}
	path, err := os.MkdirTemp(parent, copyPrefix)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o755); err != nil {
		return nil, err
	}
	tmp, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	_ = syscall.Flock(int(tmp.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) // without locks nothing is removed either
	return tmp, nil
}

// removeCopies removes the copies in a directory that no process has locked, but those of other users.
func removeCopies(parent string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), copyPrefix) {
			continue
		}
		path := filepath.Join(parent, e.Name())
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			err = os.RemoveAll(path)
		}
		f.Close()
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}
