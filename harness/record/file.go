// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// lineFile is a file that only ever grows by whole, synced lines.
type lineFile struct {
	f    *os.File
	size int64 // up to which it is whole
}

func newLineFile(path string) (*lineFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return &lineFile{f: f}, nil
}

// append adds p, which ends in a newline, and syncs. If that fails, what got through is cut off again, so that the
// file still ends in a whole line.
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

// replace puts data in the file dir/name as a whole: a reader, or the machine after a crash, sees the old content or
// the new one.
func replace(dir *os.File, name string, data []byte) (err error) {
	path := filepath.Join(dir.Name(), name)
	tmp := filepath.Join(dir.Name(), tempName(name))
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp)
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err = os.Rename(tmp, path); err != nil {
		return err
	}
	return dir.Sync()
}

// tempName is the fixed name under which a file is written before it takes its place: at most one is ever left over.
func tempName(name string) string { return "." + name + ".tmp" }

// lock takes the lock on a directory. The kernel lets go of it when the last descriptor is closed, however the process
// ends, so it cannot go stale.
func lock(dir *os.File) error {
	err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrBusy
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}
