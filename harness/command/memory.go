// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// A memory is the limit of what the processes of a group take, so that the trials of other variants are not made beside a machine without free
// memory. The kernel ends a process at the limit. It is that of the group's cgroup where cgroup v2 controls memory, else of a cgroup v1 of the same
// name. Where neither is there, as in guests, the kernel ends processes when the guest's memory is used up.
type memory struct {
	limit  int64  // bytes; 0: none
	path   string // of the cgroup whose memory is limited
	v1     bool
	events string // the file that counts processes that were ended
	before uint64 // its count
}

// vmEvents counts the events of the whole machine's memory.
const vmEvents = "/proc/vmstat"

// limitMemory sets the limit of a group; 0: a quarter of what is free.
func limitMemory(group string, limit int64) (m memory, err error) {
	controllers, _ := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	first := sys.MemoryCgroup1()
	switch {
	case slices.Contains(strings.Fields(string(controllers)), "memory"):
		m = memory{path: group, events: filepath.Join(group, "memory.events")}
	case first != "":
		path := filepath.Join(first, filepath.Base(group))
		m = memory{path: path, v1: true, events: filepath.Join(path, "memory.oom_control")}
		if err := os.Mkdir(m.path, 0o755); err != nil {
			return memory{}, fmt.Errorf("make cgroup: %w", err)
		}
	default:
		m = memory{events: vmEvents}
		m.before = m.ended()
		return m, nil
	}
	if m.limit = limit; limit == 0 {
		if m.limit, err = sys.FreeMemory(); err != nil {
			return m, errors.Join(err, m.close())
		}
		m.limit /= 4
	}
	name, others := "memory.max", map[string]string{"memory.swap.max": "0", "memory.oom.group": "1"}
	if m.v1 {
		name, others = "memory.limit_in_bytes", map[string]string{"memory.memsw.limit_in_bytes": strconv.FormatInt(m.limit, 10)}
	}
	if err := os.WriteFile(filepath.Join(m.path, name), strconv.AppendInt(nil, m.limit, 10), 0); err != nil {
		return m, errors.Join(fmt.Errorf("limit memory: %w", err), m.close())
	}
	for name, value := range others { // a kernel without swap lacks some
		_ = os.WriteFile(filepath.Join(m.path, name), []byte(value), 0)
	}
	return m, nil
}

// join has what the calling thread starts from now on count: a process is not born into a cgroup v1 by name.
func (m memory) join() error {
	if !m.v1 {
		return nil
	}
	err := os.WriteFile(filepath.Join(m.path, "tasks"), strconv.AppendInt(nil, int64(unix.Gettid()), 10), 0)
	return harness.Wrap(err, "limit memory")
}

// exceeded returns an error if the kernel ended a process at the limit or, without one, if it ended any since the group was made.
func (m memory) exceeded() error {
	switch {
	case m.ended() == m.before:
		return nil
	case m.limit == 0:
		return errors.New("the kernel ended a process because the memory of this machine or guest was used up")
	}
	return fmt.Errorf("a process was ended because the variant took more memory than the %d MiB that the lab leaves it (a quarter of what was free)", m.limit>>20)
}

// ended is how many processes the kernel has ended for want of memory.
func (m memory) ended() (n uint64) {
	raw, _ := os.ReadFile(m.events)
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "oom_kill" {
			n, _ = strconv.ParseUint(f[1], 10, 64)
		}
	}
	return n
}

// close removes what limitMemory made. No process may be left.
func (m memory) close() error {
	if !m.v1 {
		return nil
	}
	return sys.RemoveCgroup(m.path)
}
