// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"testing"
	"time"
)

// TestGrace: a limit that has not passed is not over, one that passed long ago is, and each deadline is a wait of its own.
func TestGrace(t *testing.T) {
	const limit = time.Second
	var g grace
	if now := time.Now(); g.over(now.Add(limit), limit) || g.wait != nil {
		t.Error("a wait is over before its deadline, or the machine was looked at")
	}
	if !g.over(time.Now().Add(-100*limit), limit) {
		t.Error("a wait a hundred times as long as its limit is not over")
	}
	if g.over(time.Now().Add(limit), limit) {
		t.Error("the next wait is over before its deadline")
	}
}
