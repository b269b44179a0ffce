// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Cgroup2 is where the cgroup v2 tree is mounted.
func Cgroup2() (string, error) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("find cgroup v2: %w", err)
	}
	return ParseCgroup2(string(raw))
}

// ParseCgroup2 reads /proc/PID/mountinfo (proc_pid_mountinfo(5)): the fifth field is the mount point, the file system
// follows a field that is a hyphen.
func ParseCgroup2(mountinfo string) (string, error) {
	for line := range strings.Lines(mountinfo) {
		left, right, ok := strings.Cut(line, " - ")
		fields := strings.Fields(left)
		if !ok || len(fields) < 5 || !strings.HasPrefix(right, "cgroup2 ") {
			continue
		}
		return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(fields[4]), nil
	}
	return "", errors.New("find cgroup v2: it is not mounted")
}
