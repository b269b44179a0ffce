// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/owner"
)

// Clean ends the guests of owners that are no longer alive, and returns their names. A guest dies with the process that
// started it: what is found here is what escaped even that.
func Clean() ([]string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var removed []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		args := bytes.Split(raw, []byte{0})
		if !strings.HasPrefix(filepath.Base(string(args[0])), "qemu-system-") {
			continue
		}
		for i := range len(args) - 1 {
			name := string(args[i+1])
			if string(args[i]) != "-name" || !owner.Dead(name) {
				continue
			}
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				continue
			}
			if err := unix.Kill(pid, unix.SIGKILL); err == nil {
				removed = append(removed, fmt.Sprintf("guest %s (process %d)", name, pid))
			}
		}
	}
	dirs, err := deadGuests()
	return append(removed, dirs...), err
}

// deadGuests removes the folders of guests whose owners are dead, and returns their names.
func deadGuests() ([]string, error) {
	base, err := cacheDir("guests")
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
