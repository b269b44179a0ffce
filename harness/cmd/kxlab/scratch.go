// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// scratch is a folder for a run that was told none: of its name and the time, and a number if another began in the same second.
func scratch(name string, now time.Time) string {
	dir := filepath.Join("results", "scratch", name+"-"+now.Format("20060102-150405"))
	for n, free := 2, dir; ; n++ {
		if _, err := os.Lstat(free); err != nil {
			return free
		}
		free = fmt.Sprintf("%s-%d", dir, n)
	}
}
