// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// originAttr is where a cgroup of the lab notes which cgroup its process came from.
const originAttr = "trusted.kxlab.origin"

// cgroupRoot is where cgroup v2 is mounted, and which of its cgroups is visible there; "" if it is nowhere.
func cgroupRoot() (mount, root string) {
	raw, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(raw)) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if ok && strings.HasPrefix(after, "cgroup2 ") && len(fields) >= 5 {
			return fields[4], fields[3]
		}
	}
	return "", ""
}

// AddCgroup makes a threaded cgroup for client threads, see JoinCgroup, and returns its path; "" on a machine without
// cgroup v2. It is removed with the segment, which needs the threads in it to have ended or left.
//
// Threaded, because a socket belongs to the cgroup of the thread that makes it, and a process of its own for every client
// would put a pipe between the load and its samples.
func (s *Segment) AddCgroup(name string) (string, error) {
	mount, root := cgroupRoot()
	if mount == "" {
		return "", nil
	}
	domain := filepath.Join(mount, namePrefix+ownerName())
	if err := os.Mkdir(domain, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("make cgroup: %w", err)
	}
	if err := enterDomain(mount, root, domain); err != nil {
		return "", fmt.Errorf("make cgroup: %w", err)
	}
	path := filepath.Join(domain, name)
	err := os.Mkdir(path, 0o755)
	if err == nil {
		s.cgroups = append(s.cgroups, path)
		err = os.WriteFile(filepath.Join(path, "cgroup.type"), []byte("threaded"), 0)
	}
	if err != nil {
		return "", fmt.Errorf("make cgroup: %w", err)
	}
	return path, nil
}

// JoinCgroup moves the calling thread, which must be locked, into a cgroup made by AddCgroup. The thread should end with
// its goroutine rather than be unlocked: what runs on it next would be in the cgroup, too.
func JoinCgroup(path string) error {
	if err := moveTo(path, "cgroup.threads", unix.Gettid()); err != nil {
		return fmt.Errorf("join cgroup: move thread: %w", err)
	}
	return nil
}

// enterDomain moves this process to the top of the lab's tree, noting where it came from: threads of one process may be
// spread over one tree only. It must not run while threads join: moving the process takes all of its threads along.
func enterDomain(mount, root, domain string) error {
	now, err := ownCgroup(mount, root)
	if err != nil {
		return err
	}
	if now == domain || strings.HasPrefix(now, domain+"/") {
		return nil
	}
	if err := unix.Setxattr(domain, originAttr, []byte(now), 0); err != nil {
		return fmt.Errorf("note where from: %w", err)
	}
	if err := moveTo(domain, "cgroup.procs", os.Getpid()); err != nil {
		return fmt.Errorf("move process: %w", err)
	}
	return nil
}

// ownCgroup is the path of the cgroup v2 of this process, as its main thread has it.
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

// leaveCgroup removes a threaded cgroup and, if it was the last of this process, moves the process back to where it came
// from and removes the tree.
func leaveCgroup(path string) error {
	domain := filepath.Dir(path)
	if err := removeCgroup(path); err != nil {
		return err
	}
	entries, err := os.ReadDir(domain)
	if err != nil {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			return nil
		}
	}
	origin := make([]byte, 4096)
	if n, err := unix.Getxattr(domain, originAttr, origin); err == nil {
		to := string(origin[:n])
		if _, err := os.Stat(to); err != nil {
			to, _ = cgroupRoot()
		}
		if err := moveTo(to, "cgroup.procs", os.Getpid()); err != nil {
			return fmt.Errorf("leave cgroup: %w", err)
		}
	}
	return removeCgroup(domain)
}

// removeCgroup removes an empty cgroup. The kernel lets go of ended threads a moment late.
func removeCgroup(path string) error {
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		err := unix.Rmdir(path)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("remove cgroup %s: %w", path, err)
		}
	}
}
