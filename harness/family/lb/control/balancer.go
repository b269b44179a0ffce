// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// A bpfBalancer is a BPF object in force.
type bpfBalancer struct {
	obj      *bpfobj.Object
	places   []bpfobj.Place // in the order of attachment
	maps     *lbMaps
	services *serviceTable
}

// newBalancer loads a variant's object and attaches it.
func newBalancer(a *bpfobj.Loader, v harness.Variant, at harness.Site, attach bpfobj.Hook) (service.Balancer, error) {
	spec, err := bpf.Open(v.Object)
	if err != nil {
		return nil, err
	}
	o, err := a.LoadObject(v, spec, at)
	if err != nil {
		return nil, err
	}
	b, err := newBPFBalancer(o, at, attach)
	if err != nil {
		return nil, err
	}
	a.Log(fmt.Sprintf("%s: %s in force by %s on %s", v.Name, v.Object, v.Attach, at.Link))
	return b, nil
}

// newBPFBalancer attaches a loaded object and takes ownership of it, also on error.
func newBPFBalancer(o *bpfobj.Object, at harness.Site, attach bpfobj.Hook) (*bpfBalancer, error) {
	b := &bpfBalancer{obj: o}
	var err error
	if b.maps, err = newLBMaps(o.Name, o.Coll); err == nil {
		var jet *Rendezvous
		if o.Set.Jet {
			jet = NewRendezvous()
		}
		b.services = newServiceTable(b.maps, o.Set.RingSize, jet, o.Set.RingLines)
		b.places, err = attach(o, at)
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *bpfBalancer) Sync(ctx context.Context, services []service.Service) error {
	return b.services.sync(ctx, services)
}

func (b *bpfBalancer) Update(ctx context.Context, s service.Service) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("update service: %w", err)
	}
	return b.services.update(s)
}

func (b *bpfBalancer) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("flush flow tables: %w", err)
	}
	if err := b.maps.flush(); err != nil {
		return err
	}
	return b.services.flushed()
}

func (b *bpfBalancer) InForce() error {
	if len(b.places) == 0 {
		return fmt.Errorf("check %s: it is closed", b.obj.Name)
	}
	for _, p := range b.places {
		if err := p.InForce(); err != nil {
			return fmt.Errorf("check %s: %w", b.obj.Name, err)
		}
	}
	return nil
}

func (b *bpfBalancer) Counters() (map[string]uint64, error) { return b.maps.counters() }

// MaxFlows returns the size of one flow table in connections. With tables per CPU, a connection is in the table of the
// CPU that receives its packets, so more connections fit only if several CPUs receive them.
func (b *bpfBalancer) MaxFlows() int { return int(b.obj.Set.FlowEntries / b.obj.Set.FlowSides) }

// Close detaches the programs, last attached first, and unloads the object. A second call does nothing.
func (b *bpfBalancer) Close() error {
	var errs []error
	for _, p := range slices.Backward(b.places) {
		errs = append(errs, p.Close())
	}
	b.places = nil
	return errors.Join(append(errs, b.obj.Close())...)
}
