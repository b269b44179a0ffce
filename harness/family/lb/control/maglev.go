// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// Salts of the two hashes that make a member's permutation of the slots.
const (
	saltOffset = 0x6d61676c65760001
	saltSkip   = 0x6d61676c65760002
)

// Maglev fills a ring of size slots, a prime, with the members (Maglev, NSDI 2016, section 3.4): each member has a
// permutation of the slots that depends on its identity alone, and in turn takes the next slot of its permutation that
// is still free.
//
// In the first round all members take a turn, so that even the lightest is in the ring; later a member takes a turn in a
// share Weight/heaviest of the rounds, evenly spread: an accumulator gains Weight each round and loses the heaviest
// weight each turn. So slots follow weights to within two slots, and those of equal weights differ by at most one.
//
// The ring does not depend on the order of the members or the machine. Without members of positive weight it is nil.
// More members than slots, or a size that is not a prime, is an error.
func Maglev(size int, members []Member) (Ring, error) {
	in := inOrder(members)
	switch {
	case len(in) == 0:
		return nil, nil
	case len(in) > size:
		return nil, fmt.Errorf("fill ring: %d members in %d slots", len(in), size)
	case !bpfobj.IsPrime(size):
		return nil, fmt.Errorf("fill ring: size %d is not a prime", size)
	}

	m := uint32(size)
	heaviest := uint64(0)
	for _, b := range in {
		heaviest = max(heaviest, uint64(b.Weight))
	}
	turns := make([]turn, len(in))
	for i := range in {
		b := &in[i]
		turns[i] = turn{
			next: uint32(b.ID.hash(saltOffset) % uint64(size)),
			skip: uint32(b.ID.hash(saltSkip)%uint64(max(size-1, 1))) + 1,
			due:  heaviest, // enough for a turn in the first round
			gain: uint64(b.Weight),
			slot: b.Real & abi.LBSlotReal,
		}
	}

	ring := slices.Repeat(Ring{slotFree}, size)
	for left := size; ; {
		for i := range turns {
			t := &turns[i]
			if t.due += t.gain; t.due < heaviest {
				continue
			}
			t.due -= heaviest
			for ring[t.next] != slotFree {
				t.next = (t.next + t.skip) % m
			}
			ring[t.next] = t.slot
			t.next = (t.next + t.skip) % m
			if left--; left == 0 {
				return ring, nil
			}
		}
	}
}

// slotFree marks a slot without a member: no member's slot has flags.
const slotFree = abi.LBSlotTrack

// A turn is the state of a member while a ring is filled.
type turn struct {
	next, skip uint32 // the next slot of its permutation, and the step from there
	due, gain  uint64 // the accumulator of weight, and its gain in a round
	slot       uint16
}
