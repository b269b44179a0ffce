// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// SchedMethods are the ways to put a scheduler in force. BPF schedulers are for guests only.
func methods(l *bpfobj.Loader, guest bool) harness.Methods[scheduler] {
	return harness.Methods[scheduler]{
		"eevdf": func(context.Context, harness.Variant, harness.Site) (scheduler, error) { return newEEVDF() },
		"sched_ext": func(ctx context.Context, v harness.Variant, _ harness.Site) (scheduler, error) {
			return newSchedExt(ctx, l, guest, v)
		},
	}
}
