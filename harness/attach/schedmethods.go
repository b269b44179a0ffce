// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"

	"github.com/kxlab/kxlab/harness"
)

// SchedMethods are the ways to put a scheduler in force. BPF schedulers are for guests only.
func SchedMethods(l *Loader, guest bool) harness.Methods[harness.Scheduler] {
	return harness.Methods[harness.Scheduler]{
		"eevdf": func(context.Context, harness.Variant, harness.Site) (harness.Scheduler, error) { return newEEVDF() },
		"sched_ext": func(ctx context.Context, v harness.Variant, _ harness.Site) (harness.Scheduler, error) {
			return newSchedExt(ctx, l, guest, v)
		},
	}
}
