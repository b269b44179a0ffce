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

// nsDir is where the tools of the distribution (ip netns) look for named network namespaces, too.
const nsDir = "/run/netns"

// makeNS makes a network namespace, born in the namespace that parent is (0: the caller's), and pins it under nsDir.
// The returned descriptor belongs to the caller. A name that exists is an error that wraps os.ErrExist.
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
	sys.OnThread(func() {
		fd = -1
		if parent > 0 {
			if err = unix.Setns(parent, unix.CLONE_NEWNET); err != nil {
				err = fmt.Errorf("enter parent of namespace %s: %w", name, err)
				return
			}
		}
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("make namespace %s: %w", name, isUnsupported(err))
			return
		}
		if err = unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
			err = fmt.Errorf("pin namespace %s: %w", name, err)
			return
		}
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		_ = removeNS(name)
	}
	return fd, err
}

// removeNS takes the name away. The namespace itself goes when nothing refers to it any more.
func removeNS(name string) error {
	path := filepath.Join(nsDir, name)
	for { // a name may have been mounted over more than once by a crash in between
		err := unix.Unmount(path, unix.MNT_DETACH)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil {
			return fmt.Errorf("remove namespace %s: %w", name, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove namespace %s: %w", name, err)
	}
	return nil
}

// isUnsupported is true for errors that mean "not supported by this kernel".
func isUnsupported(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("%w: %w", harness.ErrNotSupported, err)
	}
	return err
}
