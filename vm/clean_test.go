// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/owner"
)

// deadName is a name whose owner's process id is this one's, with another start time.
var deadName = fmt.Sprintf("%s%d-1-guest", owner.Prefix, os.Getpid())

// Files used last are kept; those being written and folders are left alone, until no process can be writing them.
func TestGuestName(t *testing.T) {
	for cmdline, want := range map[string]string{
		"/usr/bin/qemu-system-x86_64\x00-m\x001G\x00-name\x00kxlab-1-2-guest\x00": "kxlab-1-2-guest",
		"qemu-system-x86_64\x00-name\x00":                                         "",
		"/usr/bin/less\x00-name\x00kxlab-1-2-guest\x00":                           "",
		"qemu-system-x86_64\x00":                                                  "",
		"":                                                                        "",
	} {
		if got := guestName([]byte(cmdline)); got != want {
			t.Errorf("%q: %q, want %q", cmdline, got, want)
		}
	}
}

// A guest of a dead owner is ended, others are not.
func TestKillGuests(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	start := func(argv ...string) *exec.Cmd {
		c := exec.CommandContext(t.Context(), self)
		c.Args = argv
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		file := fmt.Sprintf("/proc/%d/cmdline", c.Process.Pid)
		for range 500 { // until it is no longer a copy of this process
			if raw, _ := os.ReadFile(file); strings.HasPrefix(string(raw), argv[0]+"\x00") {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		files = append(files, file)
		return c
	}
	dead := start("qemu-system-fake", "guest:sleep", "-name", deadName)
	living := start("qemu-system-fake", "guest:sleep", "-name", owner.Prefix+owner.Self()+"-guest")
	other := start("less", "guest:sleep", "-name", deadName)
	removed := killGuests(append(files, "/proc/none/cmdline"))
	if want := []string{fmt.Sprintf("guest %s (process %d)", deadName, dead.Process.Pid)}; !slices.Equal(removed, want) {
		t.Errorf("ended %q, want %q", removed, want)
	}
	if err := dead.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("the guest of a dead owner: %v", err)
	}
	for _, c := range []*exec.Cmd{living, other} {
		if err := c.Process.Kill(); err != nil {
			t.Errorf("%s: %v", c.Args[0], err)
		}
		_ = c.Wait()
	}
}

func TestRemoveDeadGuests(t *testing.T) {
	t.Setenv(cache.Env, t.TempDir())
	base, err := cache.Dir("guests")
	if err != nil {
		t.Fatal(err)
	}
	living := owner.Prefix + owner.Self() + "-1"
	for _, name := range []string{deadName, living, "others"} {
		if err := os.MkdirAll(filepath.Join(base, name, "share"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := removeDeadGuests()
	if want := []string{filepath.Join(base, deadName)}; err != nil || !slices.Equal(removed, want) {
		t.Errorf("removed %q, %v; want %q", removed, err, want)
	}
	left, err := filepath.Glob(base + "/*")
	if err != nil || len(left) != 2 || exists(filepath.Join(base, deadName)) {
		t.Errorf("left %q, %v", left, err)
	}
}

// TestRemoveParts: what a killed process left of a snapshot goes, unless a process writes there.
func TestRemoveParts(t *testing.T) {
	t.Setenv(cache.Env, t.TempDir())
	dir, err := cache.Dir("snapshots")
	if err != nil {
		t.Fatal(err)
	}
	part, whole := filepath.Join(dir, "part-1"), filepath.Join(dir, "x.qcow2")
	for _, path := range []string{part, whole} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := cache.Lock(t.Context(), filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := removeParts(); err != nil || len(removed) > 0 {
		t.Errorf("while somebody writes: %q, %v", removed, err)
	}
	lock.Close()
	if removed, err := removeParts(); err != nil || len(removed) != 1 || removed[0] != part {
		t.Errorf("%q, %v", removed, err)
	}
	if _, err := os.Stat(whole); err != nil {
		t.Error(err)
	}
}
