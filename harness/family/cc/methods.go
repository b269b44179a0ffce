// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// CCMethods are the ways to put a congestion control in force.
func methods(l *bpfobj.Loader) harness.Methods[congestionControl] {
	return harness.Methods[congestionControl]{
		"struct_ops": func(_ context.Context, v harness.Variant, _ harness.Site) (congestionControl, error) {
			return newStructOps(l, v)
		},
		"tcp-cc": func(_ context.Context, v harness.Variant, at harness.Site) (congestionControl, error) {
			return newKernelCC(v, at)
		},
	}
}
