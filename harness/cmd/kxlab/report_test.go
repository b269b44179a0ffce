// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

// TestElsewhere: an error of a disk on which nothing can be written has a remedy, and no other has that one.
func TestElsewhere(t *testing.T) {
	for err, want := range map[error]bool{fmt.Errorf("write: %w", syscall.EROFS): true, syscall.ENOSPC: true, fs.ErrPermission: true, fs.ErrNotExist: false, errors.New("x"): false} {
		if got := elsewhere(err) != ""; got != want {
			t.Errorf("%v: a remedy: %v", err, got)
		}
	}
}
