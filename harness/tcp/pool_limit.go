// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// spareFiles is the number of descriptors that a pool and its servers leave free.
const spareFiles = 128

// MaxPool is the largest number of connections of a pool within the hard limit of descriptors of this process, with the
// servers in this process, too: each connection has two ends.
func MaxPool() (int, error) {
	l, open, err := readFileLimit()
	if err != nil {
		return 0, err
	}
	return max(0, (int(min(l.Max, 1<<30))-open-spareFiles)/2), nil
}

// raiseFileLimit raises the limit of open files for both ends of a pool of n connections. The hard limit is raised if
// this process has the right; otherwise the error is a skip.
func raiseFileLimit(n int) error {
	l, open, err := readFileLimit()
	if err != nil {
		return err
	}
	need := uint64(open + 2*n + spareFiles)
	if l.Cur >= need {
		return nil
	}
	hard := l.Max
	l.Cur, l.Max = need, max(l.Max, need)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return harness.Skip("%d connections with both ends need %d open files, the hard limit is %d (raise it: ulimit -Hn)",
			n, need, hard)
	}
	return nil
}

// readFileLimit returns the limit of open files of this process and the number of open files.
func readFileLimit() (l unix.Rlimit, open int, err error) {
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return l, 0, fmt.Errorf("read limit of open files: %w", err)
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return l, 0, fmt.Errorf("count open files: %w", err)
	}
	return l, len(entries), nil
}
