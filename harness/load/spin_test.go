// SPDX-License-Identifier: Apache-2.0

package load

import (
	"runtime"
	"testing"
	"time"
)

// TestLongestWait: a gap in which the thread slept is two waits, one in which it did not is one.
func TestLongestWait(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const gap = int64(10 * time.Millisecond)
	slept := voluntarySwitches()
	if got := longestWait(gap, &slept); got != gap {
		t.Errorf("without a sleep: %v, want %v", time.Duration(got), time.Duration(gap))
	}
	sleep(time.Millisecond)
	if got := longestWait(gap, &slept); got != gap/2 {
		t.Errorf("with a sleep: %v, want %v", time.Duration(got), time.Duration(gap/2))
	}
	if got := longestWait(gap, &slept); got != gap {
		t.Errorf("after it: %v, want %v", time.Duration(got), time.Duration(gap))
	}
	sleep(time.Millisecond)
	if got := longestWait(offCPU-1, &slept); got != offCPU-1 {
		t.Errorf("a short gap: %v", time.Duration(got))
	}
}
