// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/bpf/abi"
)

// A set holds the members of a service. Drained members, with their weight before the drain, are separate: only
// just-enough tracking needs them.
type set struct{ members, spares, drained []Member }

// acquireRing returns the ring of a set and writes it if it is new. tracked are the slots with tracked connections:
// ring.tracked of the service's last ring. The ring is nil without members of positive weight, and for programs that
// read no rings.
func (t *serviceTable) acquireRing(name string, of set, tracked string) (*ring, error) {
	in := inOrder(of.members)
	if len(in) == 0 || t.lines.total == 0 {
		return nil, nil
	}
	size := t.size
	if size == 0 {
		var err error
		if size, err = RingSize(len(in) + len(of.drained)); err != nil {
			return nil, err
		}
	}
	if tracked != "" && len(tracked) != size {
		tracked = strings.Repeat("\x01", size) // another size: connections may be in any slot
	}
	key := ringKey{name, tracked}
	if r, ok := t.rings[key]; ok {
		r.refs++
		return r, nil
	}
	parts, err := t.fill(size, of, tracked)
	if err != nil {
		return nil, err
	}
	r := &ring{key: key, refs: 1, size: size, lines: linesOf(size) * uint32(len(parts)), drains: len(parts) > 1}
	if r.first, err = t.lines.alloc(r.lines); err != nil {
		return nil, err
	}
	for i, part := range parts {
		if err := t.w.writeRing(r.first+linesOf(size)*uint32(i), part); err != nil {
			t.lines.release(r.first, r.lines)
			return nil, err
		}
	}
	if t.jet != nil {
		r.tracked = trackedSlots(parts[0])
	}
	t.rings[key] = r
	return r, nil
}

// releaseRing removes one use of a ring. r may be nil.
func (t *serviceTable) releaseRing(r *ring) {
	if r == nil {
		return
	}
	if r.refs--; r.refs > 0 {
		return
	}
	delete(t.rings, r.key)
	t.lines.release(r.first, r.lines)
}

// fill returns the ring of a set and, for drained members under just-enough tracking, a second one for new connections.
func (t *serviceTable) fill(size int, of set, tracked string) ([]Ring, error) {
	if t.jet == nil {
		r, err := Maglev(size, of.members)
		return []Ring{r}, err
	}
	var at []bool
	if tracked != "" {
		at = make([]bool, size)
		for i := range at {
			at[i] = tracked[i] != 0
		}
	}
	now, err := t.jet.Ring(size, of.members, of.spares, at)
	if err != nil || len(of.drained) == 0 {
		return []Ring{now}, err
	}
	// Drained members keep the slots that they had before the drain, for their connections.
	before, err := t.jet.Ring(size, slices.Concat(of.members, of.drained), nil, nil)
	if err != nil {
		return nil, err
	}
	main := slices.Clone(now)
	for slot, s := range before {
		if slices.ContainsFunc(of.drained, func(m Member) bool { return m.Real == s&abi.LBSlotReal }) {
			main[slot] = s&abi.LBSlotReal | abi.LBSlotDrain
		}
	}
	return []Ring{main, now}, nil
}

// trackedSlots returns a byte for each slot, 1 if it may have tracked connections; "" if none may.
func trackedSlots(r Ring) string {
	tracked := make([]byte, len(r))
	for i, s := range r {
		if s&(abi.LBSlotLook|abi.LBSlotTrack) != 0 {
			tracked[i] = 1
		}
	}
	if !slices.Contains(tracked, 1) {
		return ""
	}
	return string(tracked)
}

// format encodes the input of a ring: members, spares and drained members, each list with its length and, of each member,
// weight, index and identity.
func (s set) format() string {
	b := make([]byte, 0, 12+(len(s.members)+len(s.spares)+len(s.drained))*memberLen)
	for _, list := range [][]Member{inOrder(s.members), inOrder(s.spares), inOrder(s.drained)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(list)))
		for _, m := range list {
			b = binary.LittleEndian.AppendUint32(b, uint32(m.Weight))
			b = binary.LittleEndian.AppendUint16(b, m.Real)
			b = append(b, m.ID[:]...)
		}
	}
	return string(b)
}

const memberLen = 4 + 2 + len(ID{})

// parseSet is the inverse of format.
func parseSet(text string) set {
	var s set
	b := []byte(text)
	for _, list := range []*[]Member{&s.members, &s.spares, &s.drained} {
		n := int(binary.LittleEndian.Uint32(b))
		b = b[4:]
		for range n {
			*list = append(*list, Member{
				Weight: int(binary.LittleEndian.Uint32(b)),
				Real:   binary.LittleEndian.Uint16(b[4:]),
				ID:     ID(b[6:memberLen]),
			})
			b = b[memberLen:]
		}
	}
	return s
}

// drain moves the members of weight 0 that had a weight in the set before to the drained ones, with that weight.
func (s set) drain(before string) set {
	if before == "" {
		return s
	}
	was := parseSet(before)
	for _, m := range s.members {
		if m.Weight > 0 {
			continue
		}
		for _, old := range slices.Concat(was.members, was.drained) {
			if old.ID == m.ID && old.Weight > 0 {
				m.Weight = old.Weight
				s.drained = append(s.drained, m)
			}
		}
	}
	return s
}
