// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"

	"github.com/kxlab/kxlab/harness/fleet"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/vm"
)

// TestTapeKeepsNoKilledGuest: a guest whose QEMU was killed or failed ends the shard and is not kept; one whose kernel panicked is a result.
func TestTapeKeepsNoKilledGuest(t *testing.T) {
	for cause, want := range map[vm.Cause]bool{vm.CauseKilled: false, vm.CauseQEMU: false, vm.CausePanic: true, vm.CauseMemory: true} {
		kept := false
		played := &tape{
			boot: func(context.Context, runner.Job, *runner.Guest) error { return &vm.ExitError{Cause: cause} },
			keep: func(int, int, fleet.Attempt) error { kept = true; return nil },
		}
		err := played.record(t.Context(), runner.Job{}, &runner.Guest{}, 0, 0)
		if kept != want || runner.IsNoGuest(err) == want {
			t.Errorf("%s: kept %v, %v", cause, kept, err)
		}
	}
}
