// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/owner"
)

// Clean ends the guests of dead owners, removes their folders, and returns the names of both. A guest normally dies with the
// process that started it.
func Clean() ([]string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	removed := killGuests(files)
	parts, err := removeParts()
	if removed = append(removed, parts...); err != nil {
		return removed, err
	}
	dirs, err := removeDeadGuests()
	return append(removed, dirs...), err
}

// killGuests ends the guests of dead owners among processes, given by their cmdline files, and returns their names.
func killGuests(files []string) []string {
	var removed []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // the process has ended
		}
		name := guestName(raw)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || !owner.Dead(name) {
			continue
		}
		if err := unix.Kill(pid, unix.SIGKILL); err == nil {
			removed = append(removed, fmt.Sprintf("guest %s (process %d)", name, pid))
		}
	}
	return removed
}

// guestName returns the value of -name in the content of /proc/PID/cmdline; "" if the process is not QEMU.
func guestName(cmdline []byte) string {
	args := strings.Split(string(cmdline), "\x00")
	if !strings.HasPrefix(filepath.Base(args[0]), "qemu-system-") {
		return ""
	}
	if i := slices.Index(args, "-name"); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

// removeParts removes unfinished files of the cache that no process writes any more, and returns their names.
func removeParts() (removed []string, err error) {
	for _, name := range []string{"snapshots", "kernels"} {
		dir, err := cache.Dir(name)
		if err != nil {
			return removed, err
		}
		left, err := filepath.Glob(filepath.Join(dir, cache.PartPrefix+"*"))
		if err != nil || len(left) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		lock, err := cache.Lock(ctx, filepath.Join(dir, "lock"))
		cancel()
		if err != nil {
			continue // a process writes there
		}
		err = cache.RemoveParts(dir)
		lock.Close()
		if err != nil {
			return removed, fmt.Errorf("clean cache: %w", err)
		}
		removed = append(removed, left...)
	}
	return removed, nil
}

// removeDeadGuests removes the folders of guests whose owners are dead, and returns their names.
func removeDeadGuests() ([]string, error) {
	base, err := cache.Dir("guests")
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(base)
	if err != nil {
		return nil, fmt.Errorf("clean guests: %w", err)
	}
	var removed []string
	for _, e := range entries {
		if !owner.Dead(e.Name()) {
			continue
		}
		path := filepath.Join(base, e.Name())
		if err := os.RemoveAll(path); err != nil {
			return removed, fmt.Errorf("clean guests: %w", err)
		}
		removed = append(removed, path)
	}
	return removed, nil
}
