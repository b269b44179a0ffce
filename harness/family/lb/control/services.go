// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// A lbWriter writes what programs read. Each call is seen whole or not at all by a program, but for rings, which are
// written before a service names them.
type lbWriter interface {
	writeReal(index uint16, id ID, down bool) error
	writeRing(firstLine uint32, r Ring) error
	writeVIP(k service.Key, v abi.LBVIP) error
	deleteVIP(k service.Key) error
	writeRemoved(generation uint32, real uint16, is bool) error
	writeGeneration(generation, flags uint32, inForce bool) error
}

// A serviceTable turns services into what programs read: vips, each with a ring of reals. Equal sets of backends share
// a ring. It holds the state of the control plane and nothing of the kernel.
//
// What flow tables remember holds for a service and a real: the connections of a service that was deleted are nobody's,
// also if it is added again, and those to a backend that was taken out are balanced anew, also if the real stays up as
// another service's. A backend whose connections shall end by themselves is drained: given the weight 0.
type serviceTable struct {
	w        lbWriter
	size     int         // slots of every ring; 0: by the number of backends
	jet      *Rendezvous // nil: Maglev
	reals    *realTable
	lines    *lineTable
	rings    map[ringKey]*ring
	services map[service.Key]*serviceState
	idle     map[uint16]bool // reals whose last use ended during the current change

	generations generationTable
}

type serviceState struct {
	set        string // whom it is spread over, see set.format
	ring       *ring  // nil: nobody to send to
	reals      []uint16
	generation uint32
	removed    map[uint16]bool // reals taken out since the service was added
}

// A ringKey tells rings apart: what goes in decides what comes out.
type ringKey struct{ set, look string }

type ring struct {
	key     ringKey
	refs    int
	size    int
	first   uint32
	lines   uint32
	drains  bool   // a second ring follows, for new connections
	tracked string // slots with abi.LBSlotLook, one byte each, if any; only with just-enough tracking
}

func newServiceTable(w lbWriter, size int, jet *Rendezvous, lines uint32) *serviceTable {
	return &serviceTable{
		w: w, size: size, jet: jet,
		reals:    newRealTable(time.Now),
		lines:    newLineTable(lines, time.Now, time.Sleep),
		rings:    make(map[ringKey]*ring),
		services: make(map[service.Key]*serviceState),
		idle:     make(map[uint16]bool),

		generations: generationTable{inUse: make(map[uint32]bool)},
	}
}

// sync makes the services exactly the given ones. All are checked before the first is changed; an error after that
// leaves whole services, some old and some new.
func (t *serviceTable) sync(ctx context.Context, services []service.Service) error {
	want := make(map[service.Key]bool, len(services))
	for i := range services {
		k := services[i].Key()
		if err := service.CheckService(&services[i]); err != nil {
			return err
		}
		if want[k] {
			return fmt.Errorf("check service %s: given twice", k)
		}
		want[k] = true
	}
	for k := range t.services {
		if want[k] {
			continue
		}
		if err := t.remove(k); err != nil {
			return err
		}
	}
	for i := range services {
		if i%64 == 0 && ctx.Err() != nil {
			return fmt.Errorf("set services: %w", ctx.Err())
		}
		if err := t.set(&services[i]); err != nil {
			return err
		}
	}
	return t.settle()
}

// update replaces or adds one service.
func (t *serviceTable) update(s service.Service) error {
	if err := service.CheckService(&s); err != nil {
		return err
	}
	if err := t.set(&s); err != nil {
		return err
	}
	return t.settle()
}

// flushed says that the flow tables are empty: no slot needs to be looked up for what was tracked once, indices of
// removed reals are free, and nothing needs to be known of reals that were taken out of services.
func (t *serviceTable) flushed() error {
	t.reals.flushed()
	for k, s := range t.services {
		if len(s.removed) == 0 && (s.ring == nil || s.ring.key.look == "") {
			continue
		}
		if err := t.forgetRemoved(s); err != nil {
			return err
		}
		if err := t.point(k, s, parseSet(s.set), ""); err != nil {
			return err
		}
	}
	return nil
}

// set gives one service its backends, if it does not have just these.
func (t *serviceTable) set(n *service.Service) (err error) {
	k := n.Key()
	old := t.services[k]
	reals := make([]uint16, 0, len(n.Backends))
	defer func() {
		if err != nil {
			t.releaseReals(reals)
		}
	}()
	of := set{members: make([]Member, 0, len(n.Backends))}
	for i := range n.Backends {
		b := &n.Backends[i]
		id := NewID(b.Addr, bpfobj.Mac6(b.MAC))
		index, fresh, err := t.reals.acquire(id)
		if err != nil {
			return fmt.Errorf("set service %s: %w", k, err)
		}
		reals = append(reals, index)
		if fresh {
			if err := t.w.writeReal(index, id, false); err != nil {
				return fmt.Errorf("set service %s: %w", k, err)
			}
		}
		of.members = append(of.members, Member{ID: id, Real: index, Weight: b.Weight})
	}
	if t.jet != nil {
		for i := range n.Spare {
			b := &n.Spare[i]
			of.spares = append(of.spares, Member{ID: NewID(b.Addr, bpfobj.Mac6(b.MAC)), Weight: b.Weight})
		}
		if old != nil {
			of = of.drain(old.set)
		}
	}
	s := &serviceState{set: of.format(), reals: reals}
	look := ""
	if old == nil {
		if s.generation, err = t.generations.next(); err != nil {
			return err
		}
	} else {
		s.ring, s.generation = old.ring, old.generation
		if old.ring != nil {
			look = old.ring.tracked
		}
		if err := t.changeReals(s, old); err != nil {
			return fmt.Errorf("set service %s: %w", k, err)
		}
	}
	if old == nil || old.set != s.set || old.generation != s.generation || !maps.Equal(old.removed, s.removed) {
		if err := t.point(k, s, of, look); err != nil {
			return err
		}
	}
	t.services[k] = s
	if old != nil {
		t.releaseReals(old.reals)
	}
	return nil
}

// point makes service s, until now at s.ring, use the ring of the members: first the ring, then the service.
func (t *serviceTable) point(k service.Key, s *serviceState, of set, look string) error {
	r, err := t.acquireRing(s.set, of, look)
	if err != nil {
		return fmt.Errorf("set service %s: %w", k, err)
	}
	v := abi.LBVIP{Generation: s.generation}
	if r != nil {
		v.RingSize, v.RingLine = uint32(r.size), r.first
		if r.drains {
			v.Flags = abi.LBVIPDrains
		}
	}
	if len(s.removed) > 0 {
		v.Flags |= abi.LBVIPRemoved
	}
	err = t.w.writeGeneration(s.generation, v.Flags, true)
	if err == nil {
		err = t.w.writeVIP(k, v)
	}
	if err != nil {
		t.releaseRing(r)
		return fmt.Errorf("set service %s: %w", k, err)
	}
	t.releaseRing(s.ring)
	s.ring = r
	return nil
}

// remove takes a service out.
func (t *serviceTable) remove(k service.Key) error {
	s := t.services[k]
	if err := t.w.deleteVIP(k); err != nil {
		return fmt.Errorf("remove service %s: %w", k, err)
	}
	delete(t.services, k)
	t.generations.release(s.generation)
	t.releaseRing(s.ring)
	t.releaseReals(s.reals)
	return errors.Join(t.w.writeGeneration(s.generation, 0, false), t.forgetRemoved(s))
}

// settle marks the reals down that nobody uses after a change.
func (t *serviceTable) settle() error {
	for i := range t.idle {
		delete(t.idle, i)
		if t.reals.inUse(i) {
			continue
		}
		if err := t.w.writeReal(i, t.reals.used[i].id, true); err != nil {
			return fmt.Errorf("mark real down: %w", err)
		}
	}
	return nil
}

func (t *serviceTable) releaseReals(reals []uint16) {
	for _, i := range reals {
		if t.reals.release(i) {
			t.idle[i] = true
		}
	}
}
