// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// A mounts is the mount namespace of a variant's programs: their mounts end with it, and no other process sees them.
type mounts struct{ fd int }

// covers are folders in which programs make objects that outlive them: each gets a file system of the variant's own, if the folder is there.
func covers() []struct{ path, kind string } {
	return []struct{ path, kind string }{
		{"/run/netns", "tmpfs"}, // ip netns add
		{"/sys/fs/bpf", "bpf"},  // pinned programs and maps
	}
}

// makeMounts makes a mount namespace. Mounts of this machine that come and go later do so in it, too.
func makeMounts() (m *mounts, err error) {
	m = &mounts{fd: -1}
	sys.OnThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNS); err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "")
		}
		for _, c := range covers() {
			if merr := unix.Mount("none", c.path, c.kind, 0, ""); !errors.Is(merr, os.ErrNotExist) && !errors.Is(merr, unix.ENODEV) && err == nil {
				err = harness.Wrap(merr, "mount %s", c.path)
			}
		}
		if err == nil {
			m.fd, err = unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("make mount namespace: %w", err)
	}
	return m, nil
}

// enter moves the calling thread, which must end with its goroutine, into the namespace.
func (m *mounts) enter() error {
	err := unix.Unshare(unix.CLONE_FS)
	if err == nil {
		err = unix.Setns(m.fd, unix.CLONE_NEWNS)
	}
	return harness.Wrap(err, "enter mount namespace")
}

// processes are those in the namespace.
func (m *mounts) processes() (pids []int) {
	var own unix.Stat_t
	if unix.Fstat(m.fd, &own) != nil {
		return nil
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		var st unix.Stat_t
		if err == nil && unix.Stat("/proc/"+e.Name()+"/ns/mnt", &st) == nil && st.Dev == own.Dev && st.Ino == own.Ino {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (m *mounts) close() { _ = unix.Close(m.fd) }
