// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"

	"github.com/kxlab/kxlab/harness"
)

// CCMethods are the ways to put a congestion control in force.
func CCMethods(l *Loader) harness.Methods[harness.CongestionControl] {
	return harness.Methods[harness.CongestionControl]{
		"struct_ops": func(_ context.Context, v harness.Variant, _ harness.Site) (harness.CongestionControl, error) {
			return newStructOps(l, v)
		},
		"tcp-cc": func(_ context.Context, v harness.Variant, at harness.Site) (harness.CongestionControl, error) {
			return newKernelCC(v, at)
		},
	}
}
