// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"encoding/binary"
	"slices"
)

// acquireRing returns the ring of a set, made and written if no service has it yet. look are the slots where tracked
// connections may live, as ring.tracked of the ring that the service had. It is nil without members of positive
// weight, and where the object has no rings.
func (t *serviceTable) acquireRing(set string, members, spares []Member, look string) (*ring, error) {
	in := inOrder(members)
	if len(in) == 0 || t.lines.total == 0 {
		return nil, nil
	}
	size := t.size
	if size == 0 {
		var err error
		if size, err = RingSize(len(in)); err != nil {
			return nil, err
		}
	}
	if look != "" && len(look) != size {
		look = everywhere(size) // another size: every slot holds other connections than before
	}
	key := ringKey{set, look}
	if r, ok := t.rings[key]; ok {
		r.refs++
		return r, nil
	}
	slots, err := t.fill(size, in, spares, look)
	if err != nil {
		return nil, err
	}
	r := &ring{key: key, refs: 1, size: size}
	if r.first, err = t.lines.alloc(linesOf(size)); err != nil {
		return nil, err
	}
	if err := t.w.writeRing(r.first, slots); err != nil {
		t.lines.release(r.first, linesOf(size))
		return nil, err
	}
	if t.jet != nil {
		r.tracked = lookOf(slots)
	}
	t.rings[key] = r
	return r, nil
}

// releaseRing takes one use of a ring back. r may be nil.
func (t *serviceTable) releaseRing(r *ring) {
	if r == nil {
		return
	}
	if r.refs--; r.refs > 0 {
		return
	}
	delete(t.rings, r.key)
	t.lines.release(r.first, linesOf(r.size))
}

func (t *serviceTable) fill(size int, members, spares []Member, look string) (Ring, error) {
	if t.jet == nil {
		return Maglev(size, members)
	}
	var at []bool
	if look != "" {
		at = make([]bool, size)
		for i := range at {
			at[i] = look[i] != 0
		}
	}
	return t.jet.Ring(size, members, spares, at)
}

// lookOf notes which slots of a ring carry SlotLook: one byte each, or "" for none.
func lookOf(r Ring) string {
	look, some := make([]byte, len(r)), false
	for i, s := range r {
		if s&SlotLook != 0 {
			look[i], some = 1, true
		}
	}
	if !some {
		return ""
	}
	return string(look)
}

// everywhere is what lookOf gives for a ring with SlotLook in every slot.
func everywhere(size int) string {
	look := make([]byte, size)
	for i := range look {
		look[i] = 1
	}
	return string(look)
}

// formatSet writes down what decides a ring, in order: per member its weight, index and identity, per spare its weight
// and identity.
func formatSet(members, spares []Member) string {
	b := make([]byte, 0, 4+(len(members)+len(spares))*memberLen)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(members)))
	for _, m := range slices.Concat(members, spares) {
		b = binary.LittleEndian.AppendUint32(b, uint32(m.Weight))
		b = binary.LittleEndian.AppendUint16(b, m.Real)
		b = append(b, m.ID[:]...)
	}
	return string(b)
}

const memberLen = 4 + 2 + len(ID{})

// parseSet reads what formatSet wrote.
func parseSet(set string) (members, spares []Member) {
	b := []byte(set)
	n := int(binary.LittleEndian.Uint32(b))
	for b = b[4:]; len(b) > 0; b = b[memberLen:] {
		m := Member{
			Weight: int(binary.LittleEndian.Uint32(b)),
			Real:   binary.LittleEndian.Uint16(b[4:]),
			ID:     ID(b[6:memberLen]),
		}
		if len(members) < n {
			members = append(members, m)
		} else {
			spares = append(spares, m)
		}
	}
	return members, spares
}
