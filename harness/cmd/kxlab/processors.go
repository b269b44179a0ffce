// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// processors are those of this machine that no guest of this run uses.
type processors chan int

// openProcessors makes the set of those that this process may use.
func openProcessors() (processors, error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, fmt.Errorf("ask which processors may be used: %w", err)
	}
	out := make(processors, all.Count())
	for i := 0; len(out) < cap(out); i++ {
		if all.IsSet(i) {
			out <- i
		}
	}
	return out, nil
}
