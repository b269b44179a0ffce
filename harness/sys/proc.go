// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// userTick is the unit of /proc/stat on every architecture that matters: 1/100 s (USER_HZ).
const userTick = 10 * time.Millisecond

// Steal is the CPU time that other guests of this machine's host have taken since boot, over all CPUs together, in steps
// of 10 ms. Source: /proc/stat, eighth number of the line cpu (proc_stat(5)).
func Steal() (time.Duration, error) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read steal time: %w", err)
	}
	return ParseSteal(string(raw))
}

// ParseSteal reads the text of /proc/stat.
func ParseSteal(stat string) (time.Duration, error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("read steal time: /proc/stat begins with %q", line)
	}
	ticks, err := strconv.ParseUint(fields[8], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read steal time: %w", err)
	}
	return time.Duration(ticks) * userTick, nil
}

// Cgroup2 returns the mount point of the cgroup v2 tree and the cgroup that is visible there.
func Cgroup2() (mount, root string, err error) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", "", fmt.Errorf("find cgroup v2: %w", err)
	}
	return ParseCgroup2(string(raw))
}

// ParseCgroup2 reads /proc/PID/mountinfo (proc_pid_mountinfo(5)): the fourth field is the root of the mount, the fifth the
// mount point, and the file system follows a field that is a hyphen.
func ParseCgroup2(mountinfo string) (mount, root string, err error) {
	for line := range strings.Lines(mountinfo) {
		left, right, ok := strings.Cut(line, " - ")
		if f := strings.Fields(left); ok && len(f) >= 5 && strings.HasPrefix(right, "cgroup2 ") {
			return unescapeMount(f[4]), unescapeMount(f[3]), nil
		}
	}
	return "", "", errors.New("find cgroup v2: cgroup v2 is not mounted")
}

// unescapeMount undoes how mountinfo writes what would end a field.
func unescapeMount(field string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(field)
}

// RemoveCgroup removes an empty cgroup. A thread that has ended stays in its cgroup for a moment.
func RemoveCgroup(path string) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		err := unix.Rmdir(path)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("remove cgroup %s: %w", path, err)
		}
	}
}
