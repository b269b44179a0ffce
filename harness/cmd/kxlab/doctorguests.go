// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/kxlab/kxlab/harness/host"
	"github.com/kxlab/kxlab/vm"
)

// guestRows says what the targets that boot guests have here.
func guestRows(ctx context.Context) ([]host.Capability, error) {
	qemu, qemuErr := vm.QEMUVersion(ctx)
	var rows []host.Capability
	for _, target := range []string{"vm", "exact"} {
		row := host.Capability{What: "QEMU", Target: target, For: "everything", Vital: true, OK: qemuErr == nil, Detail: qemu}
		if qemuErr != nil {
			row.Detail, row.Fix = qemuErr.Error(), "apt-get install qemu-system-x86"
		}
		rows = append(rows, row)
	}
	kernels, cacheErr := vm.Cached()
	for _, target := range []string{"vm", "exact"} {
		row := host.Capability{What: "a kernel", Target: target, For: "everything", OK: len(kernels) > 0}
		switch {
		case row.OK:
			row.Detail = kernels[0].Release
		case cacheErr != nil: // a run needs the cache as well
			row.Vital, row.Detail, row.Fix = true, cacheErr.Error(), ""
		default:
			row.Detail, row.Fix = "none fetched yet: a run fetches the one it needs", "kxlab vm fetch"
		}
		rows = append(rows, row)
	}
	if qemuErr == nil && len(kernels) > 0 {
		v, err := vm.JudgeKVM(ctx, kernels[0])
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		row := host.Capability{What: "KVM", Target: "vm", For: "speed", OK: v.KVM, Detail: v.String()}
		switch {
		case err != nil:
			row.Detail, row.Fix = err.Error(), ""
		case !v.KVM:
			row.Fix = "a machine, or a virtual one, that lends its virtualisation; without it all works, slower"
		}
		rows = append(rows, row)
	}
	row := host.Capability{What: "virtme-ng", Target: "vm", For: "guests with this machine's root; without it --root image"}
	detail, err := vm.FindVirtme()
	if row.OK, row.Detail = err == nil, detail; err != nil {
		row.Detail, row.Fix = err.Error(), "nothing to do if the mirror can be reached; else install virtme-ng, busybox-static, file and kmod"
	}
	return append(rows, row), nil
}
