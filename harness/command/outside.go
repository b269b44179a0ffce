// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/owner"
)

// outside are the command's processes that left its cgroup. Their environment names the command or, if they changed it, they are in its mount
// namespace.
func (c *Command) outside() (pids []int) {
	own := owner.Marked(func(name string) bool { return name == c.name })
	for _, pid := range append(own, c.mounts.processes()...) {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err == nil && !isInside(string(raw), c.name) && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// isInside tells by the text of /proc/PID/cgroup whether the process is in a cgroup v2 with a name, or below it.
func isInside(text, name string) bool {
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.Contains(strings.TrimSuffix(path, "\n")+"/", "/"+name+"/")
		}
	}
	return false
}

// left returns an error if a process left the cgroup.
func (c *Command) left() error {
	pids := c.outside()
	if len(pids) == 0 {
		return nil
	}
	word, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pids[0]))
	return fmt.Errorf("process %d (%s) left the cgroup of its variant, by which the lab counts and ends its processes", pids[0], strings.TrimSpace(string(word)))
}

// endOutside ends the processes that left the cgroup, and returns when they have ended.
func (c *Command) endOutside() error {
	for deadline := time.Now().Add(killTime); ; time.Sleep(time.Millisecond) {
		pids := c.outside()
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("end processes %v, which left the cgroup of their variant: they still live after %v", pids, killTime)
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}
