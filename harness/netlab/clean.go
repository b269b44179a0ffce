// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/sys"
)

// Clean removes the objects of dead owners: processes in their cgroups and namespaces or marked as theirs, cgroups, links, namespaces, folders. It leaves
// those of live owners alone and returns the names of the removed objects. Two cleaners may run at the same time.
func Clean(ctx context.Context) (removed []string, err error) {
	removed, err = owner.RemoveTemp()
	errs := []error{err}
	for _, pid := range owner.Marked(owner.Dead) {
		if unix.Kill(pid, unix.SIGKILL) == nil {
			removed = append(removed, fmt.Sprintf("process %d", pid))
		}
	}
	mount, _, _ := sys.Cgroup2()
	for _, dir := range []struct {
		path   string
		role   string // begins the roles of what is removed
		remove func(ctx context.Context, path string) error
	}{{mount, "", cleanCgroup}, {sys.MemoryCgroup1(), "command.", cleanCgroup}, {nsDir, "", cleanNS}, {os.TempDir(), "command.", cleanFolder}} {
		entries, err := os.ReadDir(dir.path)
		if err != nil {
			continue // the folder does not exist: there are no objects
		}
		for _, e := range entries {
			_, _, role, _ := owner.Parse(e.Name())
			if !owner.Dead(e.Name()) || !strings.HasPrefix(role, dir.role) {
				continue
			}
			path := filepath.Join(dir.path, e.Name())
			if err := dir.remove(ctx, path); err != nil {
				errs = append(errs, err)
			} else {
				removed = append(removed, path)
			}
		}
	}
	return removed, errors.Join(errs...)
}

// cleanFolder removes a dead owner's folder.
func cleanFolder(_ context.Context, path string) error { return sys.RemoveAll(path) }

// cleanCgroup kills the processes in a dead owner's cgroup and removes it with the cgroups below.
func cleanCgroup(ctx context.Context, path string) error {
	children, _ := os.ReadDir(path)
	for _, c := range children {
		if c.IsDir() {
			if err := cleanCgroup(ctx, filepath.Join(path, c.Name())); err != nil {
				return err
			}
		}
	}
	for range 500 {
		raw, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil || len(raw) == 0 { // EOPNOTSUPP: threaded, the parent lists its processes
			break
		}
		for _, pid := range strings.Fields(string(raw)) {
			if n, err := strconv.Atoi(pid); err == nil && n > 1 {
				_ = unix.Kill(n, unix.SIGKILL)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return sys.RemoveCgroup(path)
}

// cleanNS kills the processes in a dead owner's namespace and deletes its links and its name.
func cleanNS(ctx context.Context, path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		var fs unix.Statfs_t
		var st unix.Stat_t
		// A run may have died between making the file and mounting the namespace on it.
		if unix.Fstatfs(fd, &fs) == nil && fs.Type == unix.NSFS_MAGIC && unix.Fstat(fd, &st) == nil {
			killInside(st.Dev, st.Ino)
			var err error
			sys.OnThread(func() { err = deleteLinks(fd) }) // a second cleaner, too, kills who is inside
			if err != nil {
				return fmt.Errorf("clean %s: %w", path, err)
			}
		}
	}
	return removeNS(filepath.Base(path))
}

// killInside kills all processes in the namespace with this device and inode number.
func killInside(dev, ino uint64) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid <= 1 || pid == os.Getpid() {
			continue
		}
		var st unix.Stat_t
		if unix.Stat("/proc/"+e.Name()+"/ns/net", &st) == nil && st.Dev == dev && st.Ino == ino {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}
