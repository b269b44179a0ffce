// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// Methods returns the ways to put a BPF object in force as a balancer.
func Methods(l *bpfobj.Loader) harness.Methods[service.Balancer] {
	by := func(h bpfobj.Hook) harness.Method[service.Balancer] {
		return func(_ context.Context, v harness.Variant, at harness.Site) (service.Balancer, error) {
			return newBalancer(l, v, at, h)
		}
	}
	return harness.Methods[service.Balancer]{"xdp": by(bpfobj.AttachXDP), "tcx": by(bpfobj.AttachTCX), "cgroup": by(bpfobj.AttachCgroup)}
}
