// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// nsDir is the folder of named network namespaces, also for the tools of the distribution (ip netns).
const nsDir = "/run/netns"

// makeNS makes a network namespace from within the namespace parent (0: the caller's) and pins it under nsDir. The returned
// descriptor belongs to the caller. A name that exists is an error that wraps os.ErrExist.
func makeNS(name string, parent int) (fd int, err error) {
	if err := os.MkdirAll(nsDir, 0o755); err != nil {
		return -1, fmt.Errorf("make folder of namespaces: %w", err)
	}
	path := filepath.Join(nsDir, name)
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return -1, fmt.Errorf("make namespace %s: %w", name, err)
	}
	_ = f.Close()
	fd = -1
	sys.OnThread(func() {
		err = inOrder(
			step{"enter parent", func() error {
				if parent == 0 {
					return nil
				}
				return unix.Setns(parent, unix.CLONE_NEWNET)
			}},
			step{"make", func() error { return markUnsupported(unix.Unshare(unix.CLONE_NEWNET)) }},
			step{"pin", func() error { return unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "") }},
			step{"open", func() (err error) { fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); return err }},
		)
	})
	if err != nil {
		_ = removeNS(name)
	}
	return fd, harness.Wrap(err, "make namespace %s", name)
}

// removeNS removes the name. The kernel frees the namespace when nothing refers to it any more.
func removeNS(name string) error {
	path := filepath.Join(nsDir, name)
	var err error
	for err == nil { // a crash may have left several mounts on one name
		err = unix.Unmount(path, unix.MNT_DETACH)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // nothing is mounted there any more
		err = os.Remove(path)
	}
	if errors.Is(err, unix.EBUSY) {
		err = removeCovered(path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return harness.Wrap(err, "remove namespace %s", name)
}

// removeCovered removes a name on which a namespace is mounted out of sight: the first `ip netns add` of a machine mounts nsDir over itself. Seen
// from a mount namespace in which nothing is mounted there, the name is free, and its removal unmounts it in all others. The mounts over nsDir
// stay, since other names may be theirs.
func removeCovered(path string) (err error) {
	sys.OnThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNS); err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		for _, at := range []string{nsDir, path} {
			for err == nil {
				err = unix.Unmount(at, unix.MNT_DETACH)
			}
			if errors.Is(err, unix.EINVAL) { // nothing is mounted there any more
				err = nil
			}
		}
		if err == nil {
			err = os.Remove(path)
		}
	})
	return err
}

// markUnsupported wraps harness.ErrNotSupported around errors by which a kernel says that it lacks a feature.
func markUnsupported(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("%w: %w", harness.ErrNotSupported, err)
	}
	return err
}
