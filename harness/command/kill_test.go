// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/netlab"
)

// childEnv makes the test binary put a command in force and wait to be killed.
const childEnv = "LABTEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		c, err := New(script(map[string]string{"up": "setsid sleep 1000 & (setsid sleep 1000 &) ; echo $$; echo ready; exec sleep 1000"}), Options{})
		if err == nil {
			err = c.Up(context.Background())
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(c.dir, c.group.path, c.Pid(), c.group.memory.path)
		time.Sleep(time.Hour) // not select: the runtime ends a process of which every goroutine waits for ever
	}
	os.Exit(m.Run())
}

// TestCleanAfterKill: the program dies with a lab that is killed, its forks and daemons, its cgroup and its folder go with Clean. Folders of other
// roles stay.
func TestCleanAfterKill(t *testing.T) {
	labtest.AsRoot(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), childEnv+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	said := strings.Fields(line)
	if len(said) != 3 && len(said) != 4 { // without a cgroup that limits memory it is three
		t.Fatalf("it says %q", line)
	}
	procs, _ := os.ReadFile(said[1] + "/cgroup.procs")
	pids := strings.Fields(string(procs))
	if len(pids) != 3 {
		t.Fatalf("processes in the cgroup: %q, want three", pids)
	}
	escaped := pids[slices.IndexFunc(pids, func(pid string) bool { return pid != said[2] })]
	if err := os.WriteFile(filepath.Dir(said[1])+"/cgroup.procs", []byte(escaped), 0); err != nil {
		t.Fatal(err)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	gone := func() bool {
		procs, _ := os.ReadFile(said[1] + "/cgroup.procs")
		return !strings.Contains("\n"+string(procs), "\n"+said[2]+"\n")
	}
	for deadline := time.Now().Add(10 * time.Second); !gone() && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
	}
	if !gone() {
		t.Error("the program outlives the lab")
	}
	other := filepath.Join(tmp, strings.Replace(filepath.Base(said[0]), Role, "other.", 1))
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	removed, err := netlab.Clean(t.Context())
	if err != nil {
		t.Error(err)
	}
	for _, path := range append(said[:2], said[3:]...) {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left", path)
		}
		if all := strings.Join(removed, "\n"); !strings.Contains(all, path) {
			t.Logf("%s was removed by another cleaner: %s", path, all) // every run begins with Clean
		}
	}
	if lives(escaped) {
		t.Errorf("process %s, which left the cgroup, lives", escaped)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("the folder of another role: %v", err)
	}
}

// lives reports whether a process has not ended within a moment.
func lives(pid string) bool {
	for range 400 {
		if _, err := os.Readlink("/proc/" + pid + "/exe"); err != nil { // a zombie has none
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}
