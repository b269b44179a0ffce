// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// methods returns the ways to put a scheduler in force. BPF schedulers need a guest, also those of programs.
func methods(l *bpfobj.Loader, guest bool) harness.Methods[Scheduler] {
	return harness.Methods[Scheduler]{
		"eevdf": func(context.Context, harness.Variant, harness.Site) (Scheduler, error) { return newEEVDF() },
		"sched_ext": func(ctx context.Context, v harness.Variant, _ harness.Site) (Scheduler, error) {
			return newSchedExt(ctx, l, guest, v)
		},
		harness.AttachCommand: func(ctx context.Context, v harness.Variant, _ harness.Site) (Scheduler, error) {
			return newSchedProgram(ctx, guest, v)
		},
	}
}
