// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// methods returns the ways to put a congestion control in force.
func methods(l *bpfobj.Loader) harness.Methods[CongestionControl] {
	return harness.Methods[CongestionControl]{
		"struct_ops": func(_ context.Context, v harness.Variant, _ harness.Site) (CongestionControl, error) {
			return newStructOps(l, v)
		},
		"tcp-cc": func(_ context.Context, v harness.Variant, at harness.Site) (CongestionControl, error) {
			return newKernelCC(v, at)
		},
	}
}
