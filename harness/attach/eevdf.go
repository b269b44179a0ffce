// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/kxlab/kxlab/harness"
)

// schedExtState is where the kernel says whether a scheduler of sched_ext is in force.
const schedExtState = "/sys/kernel/sched_ext/state"

// eevdf is the kernel's own scheduler: in force while no other is.
type eevdf struct{}

func newEEVDF() (harness.Extension, error) {
	if err := (eevdf{}).InForce(); err != nil {
		return nil, err
	}
	return eevdf{}, nil
}

// InForce returns an error if a scheduler of sched_ext runs instead.
func (eevdf) InForce() error {
	state, err := os.ReadFile(schedExtState)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a kernel without sched_ext has no other
	}
	if err != nil {
		return fmt.Errorf("read state of sched_ext: %w", err)
	}
	if s := string(bytes.TrimSpace(state)); s != "disabled" {
		return fmt.Errorf("sched_ext is %s: another scheduler is in force", s)
	}
	return nil
}

// Name is the kernel's name for it.
func (eevdf) Name() string { return "" }

// Exit is never told of it.
func (eevdf) Exit() (harness.SchedExit, bool) { return harness.SchedExit{}, false }

// Counters has nothing: what the kernel counts is the same for all schedulers and read by the workload.
func (eevdf) Counters() (map[string]uint64, error) { return nil, nil }

// Close does nothing: there is nothing to take out.
func (eevdf) Close() error { return nil }
