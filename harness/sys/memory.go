// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// FreeMemory is how much memory programs can take without others giving up theirs, bytes. Source: MemAvailable in /proc/meminfo
// (proc_meminfo(5)).
func FreeMemory() (int64, error) {
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("read free memory: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, errors.New("read free memory: /proc/meminfo has no MemAvailable")
}

// MemoryCgroup1 is the mount point of the hierarchy of cgroup v1 that controls memory; "" where none is mounted.
func MemoryCgroup1() string {
	raw, _ := os.ReadFile("/proc/self/mountinfo")
	return parseMemoryCgroup1(string(raw))
}

// parseMemoryCgroup1 reads /proc/PID/mountinfo: see ParseCgroup2. The last field has the controllers among the options.
func parseMemoryCgroup1(mountinfo string) string {
	for line := range strings.Lines(mountinfo) {
		left, right, ok := strings.Cut(line, " - ")
		f, kind := strings.Fields(left), strings.Fields(right)
		if ok && len(f) >= 5 && len(kind) == 3 && kind[0] == "cgroup" && slices.Contains(strings.Split(kind[2], ","), "memory") {
			return unescapeMount(f[4])
		}
	}
	return ""
}
