// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf/abi"
)

// generationIndices is the number of indices: the low 18 bits of a generation are its index in the map generations.
const generationIndices = abi.LBGenerations

// A generationTable allocates generations of services: numbers that repeat after 2^32 and differ in index from all others
// in use. 0 is none.
type generationTable struct {
	last  uint32
	inUse map[uint32]bool // by index
}

// next returns a generation that no flow carries.
func (t *generationTable) next() (uint32, error) {
	for range generationIndices + 1 {
		t.last++
		if i := t.last % generationIndices; t.last != 0 && !t.inUse[i] {
			t.inUse[i] = true
			return t.last, nil
		}
	}
	return 0, fmt.Errorf("add service: all %d are in use", generationIndices)
}

func (t *generationTable) release(generation uint32) { delete(t.inUse, generation%generationIndices) }

// changeReals writes which reals were removed from the service and which were added again, from old to s. It must be
// called before the service is written, whose flags depend on it.
func (t *serviceTable) changeReals(s, old *serviceState) error {
	s.removed = maps.Clone(old.removed)
	for _, i := range s.reals {
		if !s.removed[i] {
			continue
		}
		if err := t.w.writeRemoved(s.generation, i, false); err != nil {
			return err
		}
		delete(s.removed, i)
	}
	for _, i := range old.reals {
		if slices.Contains(s.reals, i) {
			continue
		}
		err := t.w.writeRemoved(s.generation, i, true)
		if errors.Is(err, errFull) {
			return t.renew(s)
		}
		if err != nil {
			return err
		}
		if s.removed == nil {
			s.removed = map[uint16]bool{}
		}
		s.removed[i] = true
	}
	return nil
}

// renew gives a service another generation if the map of removed reals is full: all its flows are balanced again.
func (t *serviceTable) renew(s *serviceState) error {
	before := s.generation
	if err := t.forgetRemoved(s); err != nil {
		return err
	}
	var err error
	if s.generation, err = t.generations.next(); err != nil {
		return err
	}
	t.generations.release(before)
	return t.w.writeGeneration(before, 0, false)
}

// forgetRemoved deletes all removed reals of the service from the map.
func (t *serviceTable) forgetRemoved(s *serviceState) error {
	for i := range s.removed {
		if err := t.w.writeRemoved(s.generation, i, false); err != nil {
			return err
		}
	}
	s.removed = nil
	return nil
}

// writeRemoved marks a real as removed from the service of a generation, or not removed.
func (m *lbMaps) writeRemoved(generation uint32, real uint16, is bool) error {
	if m.removed == nil {
		return nil
	}
	key := &abi.LBRemoved{Generation: generation, Real: uint32(real)}
	var err error
	if is {
		err = m.removed.Put(key, uint32(0))
	} else if err = m.removed.Delete(key); errors.Is(err, ebpf.ErrKeyNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("write removed real of a service: %w", err)
	}
	return nil
}

// writeGeneration writes that a service of this generation and flags is in force, or no longer; then its tally ends.
func (m *lbMaps) writeGeneration(generation, flags uint32, inForce bool) error {
	if !inForce {
		if err := m.clearTally(serviceTally(generation)); err != nil {
			return err
		}
	}
	if m.generations == nil {
		return nil
	}
	var g abi.LBGeneration
	if inForce {
		g = abi.LBGeneration{Generation: generation, Flags: flags}
	}
	if err := m.generations.Put(generation%generationIndices, &g); err != nil {
		return fmt.Errorf("write generation of a service: %w", err)
	}
	return nil
}
