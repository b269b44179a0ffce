// SPDX-License-Identifier: Apache-2.0

package record

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// lineFile is a file that grows by whole, synced lines only.
type lineFile struct {
	f    syncFile
	size int64 // up to which it is whole
}

// A syncFile is what a lineFile needs of *os.File.
type syncFile interface {
	io.WriteSeeker
	io.Closer
	Sync() error
	Truncate(size int64) error
}

func newLineFile(root *os.Root, name string) (*lineFile, error) {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return &lineFile{f: f}, nil
}

// append adds p, which ends in a newline, and syncs. If that fails, a part that was written is cut off again, so that the file
// ends in a whole line.
func (l *lineFile) append(p []byte) error {
	n, err := l.f.Write(p)
	if err == nil {
		err = l.f.Sync()
	}
	if err == nil {
		l.size += int64(n)
		return nil
	}
	if n > 0 {
		err = errors.Join(err, l.f.Truncate(l.size))
	}
	if _, serr := l.f.Seek(l.size, io.SeekStart); serr != nil && !errors.Is(serr, syscall.ESPIPE) {
		err = errors.Join(err, serr)
	}
	return err
}

func (l *lineFile) Close() error { return l.f.Close() }

// WriteFile replaces the named file of a directory as a whole: a reader, or the machine after a crash, sees the old content or
// the new one. A link of that name is replaced, not followed; nothing outside the directory is written. Errors name the file, not the
// temporary one.
func WriteFile(root *os.Root, name string, data []byte) (err error) {
	defer func() {
		path, link := (*fs.PathError)(nil), (*os.LinkError)(nil)
		switch {
		case errors.As(err, &path):
			err = &fs.PathError{Op: path.Op, Path: name, Err: path.Err}
		case errors.As(err, &link):
			err = &fs.PathError{Op: link.Op, Path: name, Err: link.Err}
		}
	}()
	f, tmp, err := createTemp(root, name)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			root.Remove(tmp) // else RemoveTemp does it later
		}
	}()
	defer f.Close() // holds the lock until the file has its name
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = root.Rename(tmp, name)
	}
	return err
}

// tempPrefix begins the names of files that are being written. A crash may leave some.
const tempPrefix = ".kxlab-"

// createTemp makes a temporary file for the content of name, with a lock that lasts as long as the file is open: RemoveTemp leaves it alone.
func createTemp(root *os.Root, name string) (f *os.File, tmp string, err error) {
	for {
		tmp = tempPrefix + rand.Text() + "-" + name
		if f, err = root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
			return nil, "", err
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX) != nil { // a file system without locks: its age has to do
			return f, tmp, nil
		}
		if _, err = root.Lstat(tmp); !errors.Is(err, fs.ErrNotExist) {
			return f, tmp, err
		}
		f.Close() // RemoveTemp was faster than the lock
	}
}

// tempAge is far longer than a file is being written, on a file system without locks.
const tempAge = time.Minute

// RemoveTemp removes from a folder of root what WriteFile left when its process was killed. A folder that is missing has nothing.
func RemoveTemp(root *os.Root, folder string) error {
	entries, err := fs.ReadDir(root.FS(), folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), tempPrefix) || !st.Mode().IsRegular() {
			continue
		}
		if err := removeUnlocked(root, path.Join(folder, e.Name())); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// removeUnlocked removes a temporary file unless a process holds its lock.
func removeUnlocked(root *os.Root, name string) error {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil
	case err != nil:
		if st, err := f.Stat(); err != nil || time.Since(st.ModTime()) < tempAge {
			return err
		}
	}
	return root.Remove(name)
}

// Any reports whether a folder has a part of a record that only a run writes: it is a run directory, be it a damaged one.
func Any(dir string) bool {
	return slices.ContainsFunc([]string{EnvFile, samplesFile}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	})
}

// lock locks a directory. The kernel releases the lock when the last descriptor is closed, however the process ends.
func lock(dir *os.File) error {
	err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errBusy
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}
