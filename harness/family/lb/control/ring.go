// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// A Ring says who gets which share of a service's new connections: slot hash(connection) % len holds the index of a
// real in its low 14 bits and, in rings of just-enough tracking, the flags abi.LBSlotTrack and abi.LBSlotLook.
type Ring []uint16

// A Member is a candidate for the slots of a ring.
type Member struct {
	// ID is what the member is: the ring depends on it and not on the order in which members are given.
	ID ID
	// Real is what is written into the slots that the member wins.
	Real uint16
	// Weight is the member's share; 0 keeps it out of the ring.
	Weight int
}

// An ID identifies a real server: its address, its port and its MAC.
type ID [26]byte

// NewID returns the identity of the real server that listens at addr and has the given MAC (6 bytes, or none).
func NewID(addr netip.AddrPort, mac [6]byte) ID {
	var id ID
	a := addr.Addr().As16() // an IPv4 address becomes ::ffff:a.b.c.d: told apart from every other IPv6 address
	copy(id[:16], a[:])
	binary.BigEndian.PutUint16(id[16:], addr.Port())
	copy(id[18:24], mac[:])
	return id
}

// hash mixes an identity and a salt to 64 bits that depend on all of both. The same on every machine.
func (id *ID) hash(salt uint64) uint64 {
	h := mix(salt ^ binary.LittleEndian.Uint64(id[:]))
	h = mix(h ^ binary.LittleEndian.Uint64(id[8:]))
	h = mix(h ^ binary.LittleEndian.Uint64(id[16:]))
	return mix(h ^ uint64(binary.LittleEndian.Uint16(id[24:])))
}

// mix turns 64 bits over so that each bit of the input moves half of the output (the finalizer of SplitMix64, Steele
// et al., OOPSLA 2014, after one step of its sequence).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// inOrder returns the members of positive weight, sorted by identity.
func inOrder(members []Member) []Member {
	in := make([]Member, 0, len(members))
	for _, m := range members {
		if m.Weight > 0 {
			in = append(in, m)
		}
	}
	slices.SortFunc(in, func(a, b Member) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return in
}

// ringSizes are primes, each about twice the one before. 65537 is the size that Katran and Maglev use in production,
// 16381 Cilium's.
var ringSizes = [...]int{8191, 16381, 32749, 65537, 131071, 262139, 524287, 1048573, 2097143}

// slotsPerMember is what RingSize aims at. Maglev asks for 100, for an imbalance of at most 1 % (NSDI 2016, section 5.3);
// with 800 it is also at most 1 % of the slots that change hands although neither who had them nor who gets them came
// or went: 0.9 % at 10 members, 0.6 % at 40. With 100 slots a member it is 1 to 5 %.
const slotsPerMember = 800

// RingSize returns the number of slots for a service with n backends: a prime of at least slotsPerMember each, and
// 8191, so that small services do not change the size of their ring when a backend comes or goes, which moves every
// connection that nobody remembers.
func RingSize(n int) (int, error) {
	for _, size := range ringSizes {
		if size >= slotsPerMember*n {
			return size, nil
		}
	}
	return 0, fmt.Errorf("choose ring size: %d backends are more than a ring can hold", n)
}
