// SPDX-License-Identifier: Apache-2.0

package safety

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kxlab/kxlab/harness"
)

// faultSettings make a guest's kernel panic at each fault that it notices, and soon. A CPU is stuck after twice watchdog_thresh.
var faultSettings = []struct{ name, value string }{
	{"panic_on_oops", "1"},
	{"panic_on_warn", "1"},
	{"softlockup_panic", "1"},
	{"watchdog_thresh", "1"},
	{"hung_task_panic", "1"},
	{"hung_task_timeout_secs", "3"},
	{"sysrq", "1"},
}

// panicOnFaults applies faultSettings. A kernel without one notices less.
func panicOnFaults() error {
	for _, s := range faultSettings {
		err := os.WriteFile(filepath.Join("/proc/sys/kernel", s.name), []byte(s.value), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return harness.Wrap(fmt.Errorf("kernel.%s=%s: %w", s.name, s.value, err), "set up guest")
		}
	}
	return nil
}
