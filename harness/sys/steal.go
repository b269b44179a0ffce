// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
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
