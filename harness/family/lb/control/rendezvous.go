// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"math/bits"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

const saltRendezvous = 0x72656e64657a0001

// A Rendezvous fills rings by highest random weight: each slot goes to the member with the highest score, which depends
// only on the slot and the member's identity and weight. So adding or removing a member moves exactly the slots that it
// wins, as just-enough tracking requires (JET, CoNEXT 2020): only connections in slots that a known spare would win need
// tracking.
//
// With weights the score is -w/ln(u), u uniform in (0,1): the chance to win is w over the sum of weights. It is
// computed in integers, so rings are the same on every machine.
//
// A Rendezvous is only a table of logarithms and safe for concurrent use.
type Rendezvous struct {
	log [logSteps + 1]uint64 // log2(1 + i/logSteps), logFrac fractional bits
}

const (
	logBits  = 10 // of the mantissa that index the table
	logSteps = 1 << logBits
	logFrac  = 32
)

// NewRendezvous returns a Rendezvous.
func NewRendezvous() *Rendezvous {
	r := new(Rendezvous)
	for i := range r.log {
		r.log[i] = log2(logSteps + uint64(i))
	}
	return r
}

// log2 returns log2(n/logSteps) for n in [logSteps, 2*logSteps] with logFrac fractional bits, by squaring: each
// squaring doubles the logarithm, and the overflow above 2 is its next bit.
func log2(n uint64) uint64 {
	if n == 2*logSteps {
		return 1 << logFrac
	}
	x := n << (63 - logBits) // in [1, 2) as 1.63 fixed point
	var log uint64
	for range logFrac {
		hi, lo := bits.Mul64(x, x) // 2.126
		log <<= 1
		if hi >= 1<<63 {
			log |= 1
			x = hi
		} else {
			x = hi<<1 | lo>>63
		}
	}
	return log
}

// cost returns -log2(u) for u = (h+1)/2^64, with logFrac fractional bits. It decreases monotonically with h.
func (r *Rendezvous) cost(h uint64) uint64 {
	h |= 1 // h = 0 has no logarithm
	lead := bits.LeadingZeros64(h)
	h <<= lead
	i := h << 1 >> (64 - logBits)
	low := h << (1 + logBits) >> (64 - 32) // the position within step i, 32 bits
	log := r.log[i] + (r.log[i+1]-r.log[i])*low>>32
	return uint64(lead+1)<<logFrac - log
}

// A score is a member's for a slot. The lower cost/weight wins; if equal, the higher hash.
type score struct{ cost, weight, hash uint64 }

func (a score) beats(b score) bool {
	if x, y := a.cost*b.weight, b.cost*a.weight; x != y {
		return x < y
	}
	return a.hash > b.hash
}

// Ring fills a ring of size slots with the members of positive weight. Slots that a spare would win as a member have the
// flags abi.LBSlotTrack and abi.LBSlotLook. Slots in tracked, where older tracked connections may exist, have
// abi.LBSlotLook; tracked is nil or as long as the ring.
//
// Without members of positive weight the ring is nil.
func (r *Rendezvous) Ring(size int, members, spares []Member, tracked []bool) (Ring, error) {
	in := inOrder(members)
	if len(in) == 0 {
		return nil, nil
	}
	if tracked != nil && len(tracked) != size {
		return nil, fmt.Errorf("fill ring: %d slots with tracked connections, the ring has %d", len(tracked), size)
	}
	all := append(in, inOrder(spares)...)
	seeds := make([]uint64, len(all))
	equal := true
	for i := range all {
		if all[i].Weight > service.MaxWeight {
			return nil, fmt.Errorf("fill ring: weight %d is above %d", all[i].Weight, service.MaxWeight)
		}
		seeds[i] = all[i].ID.hash(saltRendezvous)
		equal = equal && all[i].Weight == all[0].Weight
	}
	ring := make(Ring, size)
	for slot := range ring {
		var w int
		if equal {
			w = highest(seeds, uint64(slot), len(in))
		} else {
			w = r.highestWeighted(all, seeds, uint64(slot), len(in))
		}
		if w < 0 {
			ring[slot] = all[^w].Real&abi.LBSlotReal | abi.LBSlotTrack | abi.LBSlotLook
			continue
		}
		ring[slot] = all[w].Real & abi.LBSlotReal
		if tracked != nil && tracked[slot] {
			ring[slot] |= abi.LBSlotLook
		}
	}
	return ring, nil
}

// highest returns the winner of a slot among the first n, complemented if one of the others would beat it. All weights
// are equal, so the order of hashes is the order of scores.
func highest(seeds []uint64, slot uint64, n int) int {
	win, best := 0, mix(seeds[0]^slot)
	for i := 1; i < n; i++ {
		if h := mix(seeds[i] ^ slot); h > best {
			win, best = i, h
		}
	}
	for i := n; i < len(seeds); i++ {
		if mix(seeds[i]^slot) > best {
			return ^win
		}
	}
	return win
}

// highestWeighted is highest for members of different weights.
func (r *Rendezvous) highestWeighted(all []Member, seeds []uint64, slot uint64, n int) int {
	bid := func(i int) score {
		h := mix(seeds[i] ^ slot)
		return score{cost: r.cost(h), weight: uint64(all[i].Weight), hash: h}
	}
	win, best := 0, bid(0)
	for i := 1; i < n; i++ {
		if b := bid(i); b.beats(best) {
			win, best = i, b
		}
	}
	for i := n; i < len(all); i++ {
		if bid(i).beats(best) {
			return ^win
		}
	}
	return win
}
