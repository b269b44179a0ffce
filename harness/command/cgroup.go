// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/sys"
)

// killTime is the longest wait for killed processes to end.
const killTime = 5 * time.Second

// A group is a cgroup v2 in which programs are started.
type group struct {
	path   string
	fd     int
	limit  int64 // of memory, bytes; 0: a quarter of what is free
	memory memory
}

// makeGroup makes the cgroup of a folder's name, at the top of the tree, with a limit of memory, bytes; 0: a quarter of what is free.
func makeGroup(name string, limit int64) (*group, error) {
	mount, _, err := sys.Cgroup2()
	if err != nil {
		return nil, harness.Skip("attach: command needs cgroup v2, by which the lab ends all processes of a program: %v", err)
	}
	g := &group{path: filepath.Join(mount, name), limit: limit}
	if err := g.open(); err != nil {
		return nil, err
	}
	return g, nil
}

// open makes the cgroup and opens it.
func (g *group) open() (err error) {
	if err := os.Mkdir(g.path, 0o755); err != nil {
		return fmt.Errorf("make cgroup: %w", err)
	}
	if g.fd, err = unix.Open(g.path, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return errors.Join(fmt.Errorf("open cgroup: %w", err), os.Remove(g.path))
	}
	if g.memory, err = limitMemory(g.path, g.limit); err != nil {
		return errors.Join(err, unix.Close(g.fd), os.Remove(g.path))
	}
	return nil
}

// renew ends all processes and makes the cgroup anew. Linux 6.18 kills each process that another cgroup's starts in a cgroup (CLONE_INTO_CGROUP)
// after a write to its cgroup.kill: the kernel compares the counts of kills of both (kill_seq in kernel/cgroup/cgroup.c).
func (g *group) renew() error {
	if err := g.close(); err != nil {
		return err
	}
	return g.open()
}

// groupName is a name that no other folder or cgroup of this process has.
func groupName(n int64) string { return fmt.Sprintf("%s%s-%s%d", owner.Prefix, owner.Self(), Role, n) }

// populated reports whether a process of the group or of a group below it lives.
func (g *group) populated() bool {
	raw, err := os.ReadFile(filepath.Join(g.path, "cgroup.events"))
	return err == nil && strings.Contains(string(raw), "populated 1")
}

// kill ends all processes of the group and of those below it, and returns when they have ended.
func (g *group) kill() error {
	for deadline := time.Now().Add(killTime); g.populated(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("end processes in %s: some still live after %v", g.path, killTime)
		}
		if os.WriteFile(filepath.Join(g.path, "cgroup.kill"), []byte("1"), 0) != nil { // before 5.14
			g.signal(g.path)
		}
	}
	return nil
}

// signal kills the processes of a cgroup and of those below it one by one.
func (g *group) signal(path string) {
	raw, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
	for _, word := range strings.Fields(string(raw)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() {
			g.signal(filepath.Join(path, e.Name()))
		}
	}
}

// close ends all processes and removes the cgroup with those below it.
func (g *group) close() error {
	err := g.kill()
	_ = unix.Close(g.fd)
	return errors.Join(err, g.memory.close(), removeTree(g.path))
}

// removeTree removes a cgroup without processes and those below it.
func removeTree(path string) error {
	entries, _ := os.ReadDir(path)
	var errs []error
	for _, e := range entries {
		if e.IsDir() {
			errs = append(errs, removeTree(filepath.Join(path, e.Name())))
		}
	}
	return errors.Join(append(errs, sys.RemoveCgroup(path))...)
}
