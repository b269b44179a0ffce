// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// TestGuestNeverDispatches: the error about a scheduler that keeps all tasks from the first moment holds the kernel's reason and dump.
func TestGuestNeverDispatches(t *testing.T) {
	inGuest(t)
	s, err := tryScheduler(scx("stall", harness.Knob{Name: "grace_ms", Value: 0}))
	if err == nil {
		t.Cleanup(func() { s.Close() })
		for from := time.Now(); err == nil && time.Since(from) < 30*time.Second; time.Sleep(time.Millisecond) {
			err = s.InForce()
		}
	}
	var ejected *ejectedError
	if !errors.As(err, &ejected) {
		t.Fatalf("%v; want the kernel's reason", err)
	}
	t.Log(err)
	if ejected.Exit.Message == "" || !strings.Contains(ejected.Exit.Dump, "CPU states") || !strings.Contains(err.Error(), "CPU states") {
		t.Errorf("exit %s, dump of %d bytes", ejected.Exit, len(ejected.Exit.Dump))
	}
	ownInForce(t)
}
