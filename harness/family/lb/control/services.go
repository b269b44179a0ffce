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

// An lbWriter writes the maps that programs read. Each call is atomic for a program, except writeRing: rings are written
// before a service refers to them.
type lbWriter interface {
	writeReal(index uint16, id ID, down bool) error
	writeRing(firstLine uint32, r Ring) error
	writeVIP(k service.Key, v abi.LBVIP) error
	deleteVIP(k service.Key) error
	writeRemoved(generation uint32, real uint16, is bool) error
	writeGeneration(generation, flags uint32, inForce bool) error
}

// A serviceTable computes the contents of the maps from services: vips, each with a ring of reals. Equal sets of backends
// share a ring. It is the state of the control plane and does not touch the kernel.
//
// An entry of a flow table is valid for one service and one real: it becomes invalid if the service is deleted, even if
// it is added again, and if the real is removed from the service, even if another service has it. A drained backend
// (weight 0) keeps its connections.
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
	set        string // see set.format
	ring       *ring  // nil: no member has a positive weight
	reals      []uint16
	generation uint32
	removed    map[uint16]bool // reals removed since the service was added
}

// A ringKey is the input of a ring.
type ringKey struct{ set, tracked string }

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

// sync sets exactly the services. It checks all before it changes the first; a later error leaves whole services, some
// old and some new.
func (t *serviceTable) sync(ctx context.Context, services []service.Service) error {
	want := make(map[service.Key]bool, len(services))
	for i := range services {
		k := services[i].Key()
		if err := service.CheckService(&services[i]); err != nil {
			return err
		}
		if want[k] {
			return fmt.Errorf("check service %s: it is listed twice", k)
		}
		want[k] = true
	}
	for k := range t.services {
		if !want[k] {
			if err := t.remove(k); err != nil {
				return err
			}
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

// flushed is called when the flow tables are empty: it forgets tracked slots and removed reals, and frees the indices
// of removed reals.
func (t *serviceTable) flushed() error {
	t.reals.flushed()
	for k, s := range t.services {
		if len(s.removed) == 0 && (s.ring == nil || s.ring.key.tracked == "") {
			continue
		}
		if err := t.forgetRemoved(s); err != nil {
			return err
		}
		if err := t.write(k, s, parseSet(s.set), ""); err != nil {
			return err
		}
	}
	return nil
}

// set sets one service, unless it has these backends already.
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
	tracked := ""
	if old == nil {
		if s.generation, err = t.generations.next(); err != nil {
			return err
		}
	} else {
		s.ring, s.generation = old.ring, old.generation
		if old.ring != nil {
			tracked = old.ring.tracked
		}
		if err := t.changeReals(s, old); err != nil {
			return fmt.Errorf("set service %s: %w", k, err)
		}
	}
	if old == nil || old.set != s.set || old.generation != s.generation || !maps.Equal(old.removed, s.removed) {
		if err := t.write(k, s, of, tracked); err != nil {
			return err
		}
	}
	t.services[k] = s
	if old != nil {
		t.releaseReals(old.reals)
	}
	return nil
}

// write writes the ring of the members, then the service with it, and releases the service's old ring.
func (t *serviceTable) write(k service.Key, s *serviceState, of set, tracked string) error {
	r, err := t.acquireRing(s.set, of, tracked)
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

// remove deletes a service.
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

// settle marks reals without uses down, after a change.
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
