// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/sys"
)

// eats takes memory without end: tail keeps a line until it ends.
const eats = "tail -n 1 </dev/zero >/dev/null"

// TestMemory: a program that takes memory without end is ended at the limit and told so, before it is ready and after; one below it is not.
func TestMemory(t *testing.T) {
	labtest.AsRoot(t)
	mount, _, err := sys.Cgroup2()
	if controllers, _ := os.ReadFile(filepath.Join(mount, "cgroup.subtree_control")); err != nil ||
		sys.MemoryCgroup1() == "" && !strings.Contains(string(controllers), "memory") {
		t.Skip("no cgroup controls memory here")
	}
	const limit, said = 64 << 20, "took more memory than the 64 MiB that the lab leaves it"
	for _, tt := range []struct {
		name, up      string
		before, after bool // Up fails; a fault follows
	}{
		{"little", "echo ready; exec sleep 1000", false, false},
		{"without end", "exec " + eats, true, false},
		{"a child, whose end the program does not mind", eats + "; echo ready; exec sleep 1000", false, true},
		{"after it was ready", "echo ready; sleep 0.2; " + eats + "; exec sleep 1000", false, true},
		{"a daemon", "(sleep 0.2; " + eats + "; exec sleep 1000) >/dev/null 2>&1 & exit 0", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := open(t, script(map[string]string{"up": tt.up}), Options{Memory: limit})
			limited := o.group.memory.path
			err := o.Up(t.Context())
			if tt.before != (err != nil) && !tt.after || err != nil && !strings.Contains(err.Error(), said) {
				t.Errorf("up: %v", err)
			}
			for deadline := time.Now().Add(10 * time.Second); err == nil && tt.after; time.Sleep(10 * time.Millisecond) {
				if err = o.Fault(); err == nil && time.Now().After(deadline) {
					t.Fatal("it has taken all that it may, and there is no fault")
				}
			}
			if tt.after && !strings.Contains(err.Error(), said) {
				t.Errorf("fault: %v", err)
			}
			if err := o.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(limited); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left: %v", limited, err)
			}
		})
	}
	o := open(t, script(map[string]string{"up": "exit 0"}), Options{})
	free, err := sys.FreeMemory()
	if err != nil || o.group.memory.limit < free/8 || o.group.memory.limit > free/2 {
		t.Errorf("a limit of %d of %d bytes, %v", o.group.memory.limit, free, err)
	}
}

// TestMemoryWithoutLimit: where no cgroup limits memory, a process that the kernel ended is told by the machine's count.
func TestMemoryWithoutLimit(t *testing.T) {
	m := memory{events: filepath.Join(t.TempDir(), "vmstat")}
	for _, tt := range []struct {
		text string
		over bool
	}{{"pgfault 7\noom_kill 3\nunused 1\n", false}, {"pgfault 9\noom_kill 4\n", true}} {
		if err := os.WriteFile(m.events, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if !tt.over {
			m.before = m.ended()
		}
		if err := m.exceeded(); (err != nil) != tt.over || m.before != 3 {
			t.Errorf("%q, before %d: %v", tt.text, m.before, err)
		}
	}
	if raw, err := os.ReadFile(vmEvents); err != nil || !strings.Contains(string(raw), "\noom_kill ") {
		t.Errorf("%s does not count: %v", vmEvents, err)
	}
}
