// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/labtest"
)

// TestRemoveAll: a folder with an immutable file and with mounts goes, and what is mounted there keeps its files.
func TestRemoveAll(t *testing.T) {
	labtest.AsRoot(t)
	dir, other := filepath.Join(t.TempDir(), "a b"), t.TempDir()
	kept, fixed := filepath.Join(other, "kept"), filepath.Join(dir, "sub", "fixed")
	if err := errors.Join(os.MkdirAll(filepath.Dir(fixed), 0o755), os.Mkdir(filepath.Join(dir, "m"), 0o755), os.WriteFile(fixed, nil, 0o644), os.WriteFile(kept, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	var err error
	OnThread(func() { // the mount is this thread's alone
		if err = errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err == nil {
			err = unix.Mount(other, filepath.Join(dir, "m"), "", unix.MS_BIND, "")
		}
		if err == nil {
			err = unmountBelow(dir)
		}
		if _, serr := os.Stat(filepath.Join(dir, "m", "kept")); err == nil && !errors.Is(serr, os.ErrNotExist) {
			err = errors.New("the mount is left")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chattr", "+i", fixed).CombinedOutput(); err != nil {
		t.Logf("without an immutable file: %s", out)
	}
	if err := RemoveAll(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	if err := RemoveAll(dir); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestMountPoints: what the kernel escapes is read.
func TestMountPoints(t *testing.T) {
	got := mountPoints("22 27 0:21 / /proc rw - proc proc rw\n23 27 0:22 / /tmp/a\\040b\\134c rw - tmpfs x rw\nshort\n")
	if diff := cmp.Diff([]string{"/proc", `/tmp/a b\c`}, got); diff != "" {
		t.Error(diff)
	}
}
