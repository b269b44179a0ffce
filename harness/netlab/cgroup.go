// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/sys"
)

// originAttr is the extended attribute of a cgroup of the lab that holds the previous cgroup of its process.
const originAttr = "trusted.kxlab.origin"

// AddCgroup makes a threaded cgroup for client threads, see JoinCgroup, and returns its path; "" on a machine without
// cgroup v2. Close of the segment removes it; its threads must have ended or left by then.
//
// The cgroup is threaded because a socket belongs to the cgroup of the thread that makes it, and a process of its own for
// every client would put a pipe between the load and its samples.
func (s *Segment) AddCgroup(name string) (string, error) {
	mount, root, err := sys.Cgroup2()
	if err != nil {
		return "", nil
	}
	domain := filepath.Join(mount, owner.Prefix+owner.Self())
	path := filepath.Join(domain, name)
	if err = os.Mkdir(domain, 0o755); err == nil || errors.Is(err, os.ErrExist) {
		err = enterDomain(mount, root, domain)
	}
	if err == nil {
		err = os.Mkdir(path, 0o755)
	}
	if err == nil {
		s.cgroups = append(s.cgroups, path)
		err = os.WriteFile(filepath.Join(path, "cgroup.type"), []byte("threaded"), 0)
	}
	if err != nil {
		return "", fmt.Errorf("make cgroup: %w", err)
	}
	return path, nil
}

// JoinCgroup moves the calling thread, which must be locked, into a cgroup made by AddCgroup. The thread must end with its
// goroutine: the next goroutine on an unlocked thread would run in the cgroup, too.
func JoinCgroup(path string) error {
	return harness.Wrap(moveTo(path, "cgroup.threads", unix.Gettid()), "join cgroup: move thread")
}

// enterDomain moves this process to the top of the lab's tree and records its previous cgroup: all threads of a process must
// be in one tree. It must not run while threads join: moving the process moves all of its threads.
func enterDomain(mount, root, domain string) error {
	now, err := ownCgroup(mount, root)
	if err != nil {
		return err
	}
	if now == domain || strings.HasPrefix(now, domain+"/") {
		return nil
	}
	if err := unix.Setxattr(domain, originAttr, []byte(now), 0); err != nil {
		return fmt.Errorf("record previous cgroup: %w", err)
	}
	return harness.Wrap(moveTo(domain, "cgroup.procs", os.Getpid()), "move process")
}

// ownCgroup is the path of the cgroup v2 of this process's main thread.
func ownCgroup(mount, root string) (string, error) {
	raw, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(raw)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			if root != "/" {
				path = strings.TrimPrefix(path, root)
			}
			return filepath.Join(mount, path), nil
		}
	}
	return "", errors.New("this process is in no cgroup v2")
}

func moveTo(cgroup, file string, id int) error {
	return os.WriteFile(filepath.Join(cgroup, file), []byte(strconv.Itoa(id)), 0)
}

// leaveCgroup removes a threaded cgroup and, if it was the last of this process, moves the process back to its previous
// cgroup and removes the tree.
func leaveCgroup(path string) error {
	domain := filepath.Dir(path)
	if err := sys.RemoveCgroup(path); err != nil {
		return err
	}
	entries, err := os.ReadDir(domain)
	if err != nil {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	if slices.ContainsFunc(entries, os.DirEntry.IsDir) {
		return nil
	}
	origin := make([]byte, 4096)
	if n, err := unix.Getxattr(domain, originAttr, origin); err == nil {
		to := string(origin[:n])
		if _, err := os.Stat(to); err != nil {
			to, _, _ = sys.Cgroup2()
		}
		if err := moveTo(to, "cgroup.procs", os.Getpid()); err != nil {
			return fmt.Errorf("leave cgroup: %w", err)
		}
	}
	return sys.RemoveCgroup(domain)
}
