// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
)

// wantError wants an error, or a skip, whose text says what is wrong.
func wantError(t *testing.T, err error, skip bool, text string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("no error, want one with %q", text)
	case errors.Is(err, harness.ErrNotSupported) != skip:
		t.Errorf("%v: a skip: %v, want %v", err, !skip, skip)
	case !strings.Contains(err.Error(), text):
		t.Errorf("%v: does not say %q", err, text)
	}
}

func TestNotAKernel(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), file)
	if !errors.Is(err, errNotKernel) {
		t.Error(err)
	}
	_, err = Open(t.Context(), filepath.Dir(file))
	wantError(t, err, false, "build the kernel first")
	c := &Cmd{Kernel: &Kernel{Release: "x", Image: file}, Args: []string{"true"}}
	wantError(t, c.Run(t.Context()), false, "not a kernel image")
}

func TestKernelLacks(t *testing.T) {
	c, _ := guestCmd(t, "hello")
	config, err := os.ReadFile(c.Kernel.Config)
	if err != nil {
		t.Fatal(err)
	}
	k := *c.Kernel
	k.Config = filepath.Join(t.TempDir(), "config")
	text := strings.Replace(string(config), "CONFIG_DEBUG_INFO_BTF=y\n", "# CONFIG_DEBUG_INFO_BTF is not set\n", 1)
	if err := os.WriteFile(k.Config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Kernel = &k
	wantError(t, c.Run(t.Context()), true, "CONFIG_DEBUG_INFO_BTF")

	c, _ = guestCmd(t, "hello")
	wantError(t, c.Kernel.require("BPF_SYSCALL", "NO_SUCH_THING"), true, "without CONFIG_NO_SUCH_THING")
	c.Modules = []string{"veth", "no-such"}
	wantError(t, c.Run(t.Context()), true, "no module no_such")

	c, _ = guestCmd(t, "hello")
	c.Tools = []string{"no-such-tool"}
	wantError(t, c.Run(t.Context()), true, "no-such-tool")

	c, _ = guestCmd(t, "hello")
	c.Memory = 96 << 20
	wantError(t, c.Run(t.Context()), false, "memory")

	c, _ = guestCmd(t, "hello")
	c.Memory = 1 << 50
	wantError(t, c.Run(t.Context()), true, "memory")
}

func TestProgramMissing(t *testing.T) {
	c, _ := exactCmd(t, "hello")
	c.Args = []string{"no-such-program"}
	var exit *ExitError
	if err := run(t, c); !errors.As(err, &exit) || exit.Cause != CauseNotRun || exit.Code != codeNoProgram {
		t.Error(err)
	}
}

func TestNoQEMU(t *testing.T) {
	c, _ := guestCmd(t, "hello")
	t.Setenv("PATH", t.TempDir())
	wantError(t, c.Run(t.Context()), true, "qemu-system-x86")
}

// noMirror makes APT's only source a port without a listener, and the cache an empty one.
func noMirror(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"list": "deb [trusted=no] http://127.0.0.1:9/debian bookworm main\n",
		"conf": "Dir::Etc::sourcelist \"" + dir + "/list\";\nDir::Etc::sourceparts \"-\";\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("APT_CONFIG", filepath.Join(dir, "conf"))
}

func TestMirrorUnreachable(t *testing.T) {
	c, _ := guestCmd(t, "hello") // a kernel is in the cache now
	noMirror(t)
	if _, err := Open(t.Context(), ""); err != nil {
		t.Errorf("with %s in the cache: %v", c.Kernel, err)
	}
	t.Setenv(cache.Env, t.TempDir())
	_, err := Open(t.Context(), "")
	wantError(t, err, false, "kxlab vm fetch")
}

func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	c, _ := guestCmd(t, "hello")
	dir := t.TempDir()
	t.Setenv(cache.Env, dir)
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the mount goes with the thread
		err := errors.Join(unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS),
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("kxlab", dir, "tmpfs", 0, "size=1m"))
		if err == nil {
			err = c.Start(t.Context())
		}
		failed <- err
	}()
	wantError(t, <-failed, false, "no space left on device")
}
