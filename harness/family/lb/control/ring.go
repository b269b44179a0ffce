// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// A Ring assigns new connections to reals: slot hash(connection) % len holds the index of a real in its low 14 bits and,
// with just-enough tracking, the flags abi.LBSlotTrack and abi.LBSlotLook.
type Ring []uint16

// A Member is a candidate for the slots of a ring.
type Member struct {
	ID     ID     // the ring depends on identities, not on the order of members
	Real   uint16 // the value of the slots that the member wins
	Weight int    // the member's share; 0: none
}

// An ID identifies a real server: its address, its port and its MAC.
type ID [26]byte

// NewID returns the identity of a real server by its address, port and MAC (zero for none).
func NewID(addr netip.AddrPort, mac [6]byte) ID {
	var id ID
	a := addr.Addr().As16() // an IPv4 address becomes ::ffff:a.b.c.d, which no IPv6 address equals
	copy(id[:16], a[:])
	binary.BigEndian.PutUint16(id[16:], addr.Port())
	copy(id[18:24], mac[:])
	return id
}

// hash returns 64 bits that depend on every bit of the identity and the salt, the same on every machine.
func (id *ID) hash(salt uint64) uint64 {
	h := mix(salt ^ binary.LittleEndian.Uint64(id[:]))
	h = mix(h ^ binary.LittleEndian.Uint64(id[8:]))
	h = mix(h ^ binary.LittleEndian.Uint64(id[16:]))
	return mix(h ^ uint64(binary.LittleEndian.Uint16(id[24:])))
}

// mix permutes 64 bits so that each input bit affects half of the output bits (the finalizer of SplitMix64, Steele et
// al., OOPSLA 2014, after one step of its sequence).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// inOrder returns the members of positive weight, sorted by identity.
func inOrder(members []Member) []Member {
	in := slices.DeleteFunc(slices.Clone(members), func(m Member) bool { return m.Weight <= 0 })
	slices.SortFunc(in, func(a, b Member) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return in
}

// ringSizes are primes, each about twice the one before. 65537 is the size that Katran and Maglev use in production,
// 16381 Cilium's.
var ringSizes = [...]int{8191, 16381, 32749, 65537, 131071, 262139, 524287, 1048573, 2097143}

// slotsPerMember is the least number of slots a member. Maglev uses 100, for an imbalance of at most 1 % (NSDI 2016,
// section 5.3). With 800, also at most 1 % of the slots move between members that both stay: 0.9 % at 10 members, 0.6 %
// at 40. With 100 it is 1 to 5 %.
const slotsPerMember = 800

// RingSize returns the number of slots for a service with n backends: a prime of at least slotsPerMember each. The least
// is 8191, so that small services keep the size of their ring when backends change: another size moves every untracked
// connection.
func RingSize(n int) (int, error) {
	for _, size := range ringSizes {
		if size >= slotsPerMember*n {
			return size, nil
		}
	}
	return 0, fmt.Errorf("choose ring size: %d backends are more than a ring can hold", n)
}
