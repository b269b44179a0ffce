// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A SchedState is the state of sched_ext in /sys/kernel/sched_ext.
type SchedState struct {
	State string // "disabled", "enabling", "enabled", "disabling"
	Ops   string // the name of the scheduler in force; empty if there is none
	Seq   uint64 // number of schedulers put in force since boot
}

// SysSchedExt is the sysfs folder of sched_ext.
const SysSchedExt = "/sys/kernel/sched_ext"

// errNoSchedExt is the skip for kernels without sched_ext, which a guest may have.
var errNoSchedExt = harness.Skip("needs a kernel with sched_ext (6.12 or newer, CONFIG_SCHED_CLASS_EXT): name another with --kernel")

// ReadSchedState reads the state. A kernel without sched_ext is a skip.
func ReadSchedState(dir string) (SchedState, error) {
	var s SchedState
	state, err := os.ReadFile(filepath.Join(dir, "state"))
	if errors.Is(err, fs.ErrNotExist) {
		return s, errNoSchedExt
	}
	if err != nil {
		return s, fmt.Errorf("read state of sched_ext: %w", err)
	}
	s.State = strings.TrimSpace(string(state))
	seq, err := os.ReadFile(filepath.Join(dir, "enable_seq"))
	if err == nil {
		s.Seq, err = strconv.ParseUint(strings.TrimSpace(string(seq)), 10, 64)
	}
	if err != nil {
		return s, fmt.Errorf("read enable_seq of sched_ext: %w", err)
	}
	if ops, err := os.ReadFile(filepath.Join(dir, "root/ops")); err == nil { // there only while one is in force
		s.Ops = strings.TrimSpace(string(ops))
	}
	return s, nil
}

// ReadSchedEvents returns the kernel's own counts for the scheduler in force (6.15 and newer), as "ev_" and the event's
// name in lower case; nil if the kernel has none.
func ReadSchedEvents(dir string) map[string]uint64 {
	text, err := os.ReadFile(filepath.Join(dir, "root/events"))
	if err != nil {
		return nil
	}
	return parseSchedEvents(string(text))
}

// parseSchedEvents reads lines of a name, SCX_EV_…, and a number. It skips other lines.
func parseSchedEvents(text string) map[string]uint64 {
	events := map[string]uint64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		if name, ok := strings.CutPrefix(name, "SCX_EV_"); ok && err == nil {
			events["ev_"+strings.ToLower(name)] = n
		}
	}
	return events
}
