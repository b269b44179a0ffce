// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/vm"
)

// TestVMRun: the exit code of `kxlab vm run` is the program's, or 255 where the guest lost it. Guests are exact, which start in a third of
// the time, and have one image, and so one snapshot; in make soak instead one boots.
func TestVMRun(t *testing.T) {
	if testing.Short() {
		t.Skip("boots guests")
	}
	if _, err := vm.Open(t.Context(), ""); errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	if _, err := vm.QEMUVersion(t.Context()); errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := copyFile("/bin/echo", filepath.Join(dir, "say")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "script"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	type ending struct {
		args string
		code int
		said string
	}
	endings := []ending{
		{"vm run --exact --tools sh,<say> -- sh -c <panic>", 255, "sysrq triggered crash"},
		{"vm run --exact --tools sh,<say> -- sh -c <crash>", 139, "program exited with code 139"}, // 128 and SIGSEGV
		{"vm run --exact --tools sh -- ./say word", 0, "word"},
		{"vm run --exact --timeout 3s --tools sh,<say> -- sh -c <stop>", 1, "deadline exceeded"},
		{"vm run -- ./none", 4, "none does not exist"},
		{"vm run -- ./script", 1, "a script needs its interpreter"},
		{"vm run --kernel nowhere/to/be/found -- true", 1, "no such file"},
		{"vm run", 2, "missing: COMMAND; want kxlab vm run"},
	}
	if labtest.Soak() {
		endings = []ending{{"vm run --tools sh -- sh -c <panic>", 255, "sysrq triggered crash"}}
	}
	for _, c := range endings {
		args := strings.Fields(strings.ReplaceAll(c.args, "<say>", filepath.Join(dir, "say")))
		for i, a := range args {
			switch a {
			case "<panic>":
				args[i] = "echo c >/proc/sysrq-trigger"
			case "<crash>":
				args[i] = "kill -SEGV $$"
			case "<stop>":
				args[i] = "kill -STOP $$"
			}
		}
		cmd, _ := command(t, dir, args...)
		cmd.Stderr = nil
		said, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(said), c.said) {
			t.Errorf("kxlab %s: code %d, want %d; said %q, want %q in it", c.args, code, c.code, said, c.said)
		}
	}
}
