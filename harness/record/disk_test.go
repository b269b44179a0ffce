// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// fullDisk checks what happens to a run when the disk is full.
func fullDisk(t *testing.T, w *Writer, dir string, good int, file string) {
	t.Helper()
	var err error
	for i := good; i < good+100000 && err == nil; i++ {
		if err = w.Trial(testTrial(i)); err == nil {
			good++
		}
	}
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "no space left on device") ||
		!strings.Contains(err.Error(), file) {
		t.Fatalf("got %v, want an error that names %s and the reason", err, file)
	}
	w.Close()
	r, err := Open(dir)
	if err != nil {
		t.Fatalf("read after the disk was full: %v", err)
	}
	if len(r.Trials) != good || r.Env.Complete {
		t.Errorf("%d trials, complete %v; want %d, incomplete", len(r.Trials), r.Env.Complete, good)
	}
}

func TestFullDevice(t *testing.T) {
	w, dir := create4(t)
	if err := w.Trial(testTrial(0)); err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.bench.f.Close()
	w.bench.f = full
	fullDisk(t, w, dir, 1, benchFile)
}

func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs needs root")
	}
	done := make(chan struct{})
	go func() { // in a mount namespace that ends with this thread, which is never unlocked
		defer close(done)
		runtime.LockOSThread()
		if err := syscall.Unshare(syscall.CLONE_NEWNS | syscall.CLONE_FS); err != nil {
			t.Error(err)
			return
		}
		dir := t.TempDir()
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Error(err)
			return
		}
		if err := syscall.Mount("kxlab-test", dir, "tmpfs", 0, "size=64k"); err != nil {
			t.Error(err)
			return
		}
		w, err := Create(dir, testEnv())
		if err != nil {
			t.Error(err)
			return
		}
		fullDisk(t, w, dir, 0, dir)
	}()
	<-done
}
