// SPDX-License-Identifier: Apache-2.0

package sys

import "testing"

func TestFreeMemory(t *testing.T) {
	if n, err := FreeMemory(); err != nil || n < 1<<20 || n > 1<<50 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestParseMemoryCgroup1: the hierarchy is known by its controller.
func TestParseMemoryCgroup1(t *testing.T) {
	const v2 = "24 1 0:22 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	const cpu = "25 1 0:23 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
	const memory = "26 1 0:24 / /sys/fs/cgroup/my\\040memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
	for text, want := range map[string]string{"": "", v2 + cpu: "", v2 + cpu + memory: "/sys/fs/cgroup/my memory", "garbage - cgroup": ""} {
		if got := parseMemoryCgroup1(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
