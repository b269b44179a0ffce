// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"

	"github.com/kxlab/kxlab/harness"
)

// BPFMethods are the ways to put a balancer in force that is a BPF object.
func BPFMethods(l *Loader) harness.Methods[harness.Balancer] {
	by := func(h hook) harness.Method[harness.Balancer] {
		return func(_ context.Context, v harness.Variant, at harness.Site) (harness.Balancer, error) {
			return newBPF(l, v, at, h)
		}
	}
	return harness.Methods[harness.Balancer]{"xdp": by(attachXDP), "tcx": by(attachTCX), "cgroup": by(attachCgroup)}
}
