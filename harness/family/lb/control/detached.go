// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// A Detached is a balancer in the kernel with its services, attached nowhere.
type Detached struct {
	*bpfBalancer
	Program *ebpf.Program // of type XDP or SchedCLS
	Spec    *ebpf.ProgramSpec
}

// Detach loads a variant with one XDP or tc program, as it would be put in force at the site, and sets its services.
func Detach(ctx context.Context, l *bpfobj.Loader, v harness.Variant, at harness.Site, services []service.Service) (*Detached, error) {
	b, err := newBalancer(l, v, at, func(*bpfobj.Object, harness.Site) ([]bpfobj.Place, error) { return nil, nil })
	if err != nil {
		return nil, err
	}
	d := &Detached{bpfBalancer: b.(*bpfBalancer)}
	for name, p := range d.obj.Coll.Programs {
		if p.Type() == ebpf.XDP || p.Type() == ebpf.SchedCLS {
			d.Program, d.Spec = p, d.obj.ProgramSpec(name)
		}
	}
	if d.Program == nil {
		return nil, errors.Join(harness.Skip("%s: no program of type XDP or tc", v.Object), d.Close())
	}
	if err := d.Sync(ctx, services); err != nil {
		return nil, errors.Join(fmt.Errorf("set up %d services: %w", len(services), err), d.Close())
	}
	return d, nil
}
