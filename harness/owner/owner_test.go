// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"fmt"
	"os"
	"os/exec"
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
