// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.lock")
	first, err := lock(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 { // however many ask
		_, err = lock(t.Context(), path, nil)
		var busy *BusyError
		if !errors.As(err, &busy) || busy.PID != os.Getpid() {
			t.Fatalf("lock after %d others asked: %v, should name process %d", i, err, os.Getpid())
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, path, func(*BusyError) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting in vain: %v", err)
	}

	calls := 0
	second, err := lock(t.Context(), path, func(*BusyError) { calls++; first.Close() })
	if err != nil || calls != 1 {
		t.Fatalf("waiting: %v, %d calls", err, calls)
	}
	second.Close()
}

// A folder that another user prepared is not used: not one that others can enter, nor a link.
func TestLockFolder(t *testing.T) {
	dir := t.TempDir()
	own, open, link := filepath.Join(dir, "own"), filepath.Join(dir, "open"), filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(own, 0o700), os.Mkdir(open, 0o700), os.Chmod(open, 0o777), os.Symlink(own, link)); err != nil {
		t.Fatal(err)
	}
	if err := ownFolder(own, os.Geteuid()); err != nil {
		t.Error(err)
	}
	for _, d := range []string{open, link} {
		if ownFolder(d, os.Geteuid()) == nil {
			t.Errorf("%s is used", d)
		}
	}
	if ownFolder(own, os.Geteuid()+1) == nil {
		t.Error("somebody else's folder is used")
	}
}
