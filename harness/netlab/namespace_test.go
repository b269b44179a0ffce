// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/owner"
)

// coveredEnv makes TestRemoveCovered use its process's mount namespace.
const coveredEnv = "LABTEST_COVERED"

// TestRemoveCovered: a namespace goes also if the folder of names was mounted over itself meanwhile, as the first `ip netns add` of a machine does.
// The test does so in a mount namespace of its own.
func TestRemoveCovered(t *testing.T) {
	labtest.AsRoot(t)
	if os.Getenv(coveredEnv) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run", "^TestRemoveCovered$")
		cmd.Env = append(os.Environ(), coveredEnv+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	name := owner.Prefix + owner.Self() + "-covered"
	fd, err := makeNS(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Mount(nsDir, nsDir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		t.Fatal(err)
	}
	if err := removeNS(name); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(nsDir, name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the name is left: %v", err)
	}
	if err := unix.Unmount(nsDir, unix.MNT_DETACH); err != nil { // namespaces that others made lie in it
		t.Errorf("the mount over the folder, which was not the lab's: %v", err)
	}
	if _, err := os.Stat(filepath.Join(nsDir, name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the name below the mount is left: %v", err)
	}
}
