// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDead: only a process that is gone for certain is dead. One of which nothing can be found out lives.
func TestDead(t *testing.T) {
	alive := Prefix + Self() + "-client"
	if Dead(alive) {
		t.Error("this process is dead")
	}
	pid, start, _, _ := Parse(alive)
	if !Dead(fmt.Sprintf("%s%d-%d-client", Prefix, pid, start+1)) {
		t.Error("an earlier process of this number lives")
	}
	if Dead("somebody-else") {
		t.Error("what is not the lab's is dead")
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if !Dead(fmt.Sprintf("%s%d-1-client", Prefix, cmd.Process.Pid)) {
		t.Error("a process that has ended lives")
	}

	var have syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &have); err != nil {
		t.Fatal(err)
	}
	none := have
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, err := os.Open("/proc/self/stat")
	dead := Dead(alive)
	if rerr := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &have); rerr != nil {
		t.Fatal(rerr)
	}
	if err == nil {
		t.Skip("descriptors cannot be used up here")
	}
	if dead {
		t.Errorf("a process is dead because its state could not be read: %v", err)
	}
}

// TestTempDir: the folder of a process that is gone goes when another is made, and one of a live process stays.
func TestTempDir(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	live, err := TempDir("compile")
	if err != nil {
		t.Fatal(err)
	}
	made := strings.TrimPrefix(filepath.Base(live), Prefix+Self())
	dead, other := filepath.Join(os.TempDir(), Prefix+"4194305-1"+made), filepath.Join(os.TempDir(), Prefix+"4194305-1-command.x")
	for _, dir := range []string{dead, other} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	again, err := TempDir("compile")
	if err != nil || again == live {
		t.Fatalf("a second folder: %s, %v", again, err)
	}
	for dir, want := range map[string]bool{live: true, again: true, other: true, dead: false} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", dir, err, want)
		}
	}
}
