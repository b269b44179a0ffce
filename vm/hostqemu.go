// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness/sys"
)

// findQEMU finds the emulator for this machine's kind of processor.
func findQEMU() (string, error) {
	return sys.LookTool("qemu-system-x86_64", "qemu-system-x86")
}

// QEMUVersion is the version of QEMU that boots guests. Digits in exact are comparable only within one.
func QEMUVersion(ctx context.Context) (string, error) {
	qemu, err := findQEMU()
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, qemu, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask QEMU for its version: %w", err)
	}
	f := strings.Fields(string(out))
	if i := slices.Index(f, "version"); i >= 0 && i+1 < len(f) {
		return f[i+1], nil
	}
	return "", fmt.Errorf("ask QEMU for its version: it says %q", out)
}

// freeMemory is what this machine can give a guest, in bytes.
func freeMemory() (int64, error) {
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, errors.New("/proc/meminfo does not say")
}

// fdPath is the path by which a child opens a file that it inherits.
func fdPath(fd int) string { return filepath.Join("/proc/self/fd", fmt.Sprint(fd)) }
