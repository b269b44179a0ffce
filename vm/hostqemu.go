// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness/sys"
)

// findQEMU returns the path of QEMU's emulator for amd64.
func findQEMU() (string, error) {
	return sys.LookTool("qemu-system-x86_64", "qemu-system-x86")
}

// QEMUVersion returns the version of QEMU that boots guests. Digits in exact are comparable only within one version.
func QEMUVersion(ctx context.Context) (string, error) {
	qemu, err := findQEMU()
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, qemu, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("read QEMU's version: %w", err)
	}
	f := strings.Fields(string(out))
	if i := slices.Index(f, "version"); i >= 0 && i+1 < len(f) {
		return f[i+1], nil
	}
	return "", fmt.Errorf("read QEMU's version: no version in %q", out)
}

// fdPath returns the path by which a child opens a file that it inherits.
func fdPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
