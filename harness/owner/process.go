// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Variable is the environment variable with the name of an object of the lab (Self) to which a process belongs. Its children inherit the
// variable wherever they go.
const Variable = "KXLAB_OWNER"

// Marked returns the processes, but this one, whose Variable is a name that match accepts. Processes of other users are not seen without root.
func Marked(match func(name string) bool) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		raw, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil {
			continue
		}
		for entry := range strings.SplitSeq(string(raw), "\x00") {
			if name, ok := strings.CutPrefix(entry, Variable+"="); ok && match(name) {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}
