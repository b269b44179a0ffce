// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestOnThread: if the first thread is the one at hand, the function runs on another, once.
func TestOnThread(t *testing.T) {
	var first, ran int
	onThread(func() bool {
		if first == 0 {
			first = unix.Gettid()
		}
		return unix.Gettid() == first
	}, func() {
		if ran != 0 {
			t.Error("the function runs twice")
		}
		ran = unix.Gettid()
	})
	if first == 0 || ran == 0 || ran == first {
		t.Errorf("the function runs on thread %d, and the first is %d", ran, first)
	}
}
