// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	err = d.Sync(ctx, services)
	if err == nil && l.Maps != nil {
		err = d.Flush(ctx) // they hold another's flows
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up %d services: %w", len(services), err), d.Close())
	}
	return d, nil
}

// Maps are those of its maps that another balancer can take: Sync and Flush write all that they hold. The caller closes them.
func (d *Detached) Maps() (map[string]*ebpf.Map, error) {
	out := map[string]*ebpf.Map{}
	for name, m := range d.obj.Coll.Maps {
		if !bpfobj.IsFlows(name) && !slices.Contains([]string{"recent", "rings", "reals", "vips4", "vips6"}, name) {
			continue
		}
		c, err := m.Clone()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("map %s of %s: %w", name, d.obj.Name, err), CloseMaps(out))
		}
		out[name] = c
	}
	return out, nil
}

// CloseMaps closes all of them.
func CloseMaps(all map[string]*ebpf.Map) error {
	var errs []error
	for _, m := range all {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
