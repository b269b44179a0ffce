// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often a waiting run tries to take the lock.
const lockPoll = 50 * time.Millisecond

// A BusyError says that another run is measuring on this machine.
type BusyError struct{ PID int } // 0: not known

func (e *BusyError) Error() string {
	run := "another run"
	if e.PID > 0 {
		run = fmt.Sprintf("another run (process %d)", e.PID)
	}
	return run + " is measuring on this machine, and two would distort each other: wait for it, or use --wait"
}

// Lock takes the lock of this user's measurements, until the closer is closed. If another process has it, Lock returns a
// *BusyError; if waiting is not nil, Lock calls it once and waits for the lock or the end of ctx.
//
// The lock is a flock on a file in a folder that only this user can enter, so that no other user can hold it; the kernel releases
// it when the process ends. Runs of two users, or in containers with a /run of their own, do not exclude each other.
func Lock(ctx context.Context, waiting func(*BusyError)) (io.Closer, error) {
	dir, err := lockFolder()
	if err != nil {
		return nil, fmt.Errorf("lock the machine: %w", err)
	}
	return lock(ctx, filepath.Join(dir, "run.lock"), waiting)
}

// lockFolder makes the user's folder: in /run if the user may, else where temporary files are.
func lockFolder() (string, error) {
	uid := os.Geteuid()
	name := "kxlab-" + strconv.Itoa(uid)
	var errs []error
	for _, parent := range []string{"/run", filepath.Join("/run/user", strconv.Itoa(uid)), os.TempDir()} {
		dir := filepath.Join(parent, name)
		err := os.Mkdir(dir, 0o700)
		if err == nil || errors.Is(err, os.ErrExist) {
			err = ownFolder(dir, uid)
		}
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// ownFolder returns an error unless dir is a folder, not a link to one, that only this user can enter.
func ownFolder(dir string, uid int) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: dir, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != uid || st.Mode&0o077 != 0 {
		return fmt.Errorf("use %s: it is not a folder that user %d alone can enter: remove it", dir, uid)
	}
	return nil
}

func lock(ctx context.Context, path string, waiting func(*BusyError)) (io.Closer, error) {
	for first := true; ; first = false {
		l, err := tryLock(path)
		var busy *BusyError
		if err == nil || !errors.As(err, &busy) || waiting == nil {
			return l, err
		}
		if first {
			waiting(busy)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPoll):
		}
	}
}

// tryLock takes the lock and writes this process's number into the file, for others to read. The file stays.
func tryLock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the machine: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		busy := &BusyError{PID: holder(f)}
		f.Close()
		return nil, busy
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the machine: %w", err)
	}
	return f, nil
}

// holder reads the process that has the lock; 0 if it has not written its number yet.
func holder(f *os.File) int {
	raw, _ := io.ReadAll(io.LimitReader(f, 32))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(raw))) // 0 after an error
	return pid
}
