// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf/abi"
)

// A trial's job lies in memory that is there from the beginning, as the module cannot wait for a page.
type memory struct {
	raw []byte
	job *abi.JitJob
}

// newMemory makes room for a job.
func newMemory() (memory, error) {
	raw, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(abi.JitJob{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return memory{}, fmt.Errorf("make room for a trial: %w", err)
	}
	return memory{raw, (*abi.JitJob)(unsafe.Pointer(&raw[0]))}, nil
}

func (m memory) Close() error { return unix.Munmap(m.raw) }

// bytesOf are a job's bytes, which places copy as they are.
func bytesOf(j *abi.JitJob) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(j)), unsafe.Sizeof(*j))
}

// backends is how many a ring names.
const backends = 1000

// fill makes the inputs of a seed: packets of many kinds, three keys of four that are in the table, a table that is half full, and a ring.
func fill(j *abi.JitJob, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	for at := range abi.JitInputs {
		b := input(j, at)
		for i := 0; i < len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], r.Uint64())
		}
		j.Lengths[at] = packet(b, r)
		j.Keys[at] = 1 + r.Uint64()>>1
	}
	clear(j.Table[:])
	for i := range abi.JitSlots / 2 {
		key := 1 + r.Uint64()>>1
		if i < abi.JitInputs*3/4 {
			key = j.Keys[i]
		}
		insert(j, key, 1+r.Uint64()>>1)
	}
	for i := range j.Ring {
		j.Ring[i] = uint16(r.IntN(backends))
	}
}

// insert puts an entry into the first free slot from the key's own on. One whose place a lookup would not reach is left out.
func insert(j *abi.JitJob, key, value uint64) {
	for i := range uint64(abi.JitProbes) {
		slot := 2 * ((mix(key) + i) % abi.JitSlots)
		if j.Table[slot] == 0 {
			j.Table[slot], j.Table[slot+1] = key, value
			return
		}
	}
}

// mix is the finalizer of MurmurHash3, 64 bits (Appleby).
func mix(key uint64) uint64 {
	key = (key ^ key>>33) * 0xff51afd7ed558ccd
	key = (key ^ key>>33) * 0xc4ceb9fe1a85ec53
	return key ^ key>>33
}

// packet writes the headers of a packet into random bytes and returns its length. Of 16 packets about 8 are IPv4 with TCP or UDP, and the
// others have a VLAN tag or two, options, IPv6, another protocol, a fragment, no IP, or end too early.
func packet(b []byte, r *rand.Rand) (length uint64) {
	kind := r.IntN(16)
	next := 12
	for tags := max(0, kind-13); tags > 0; tags-- {
		binary.BigEndian.PutUint16(b[next:], []uint16{0x8100, 0x88a8}[r.IntN(2)])
		next += 4
	}
	length = uint64(64 + r.IntN(abi.JitBytes-64+1))
	switch kind {
	case 8: // IPv6
		binary.BigEndian.PutUint16(b[next:], 0x86dd)
		b[next+2+6] = []byte{6, 17, 58}[r.IntN(3)]
		return length
	case 9: // neither
		binary.BigEndian.PutUint16(b[next:], 0x0806)
		return length
	}
	binary.BigEndian.PutUint16(b[next:], 0x0800)
	ip := b[next+2:]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[6:], 0x4000)
	ip[9] = []byte{6, 17}[r.IntN(2)]
	switch kind {
	case 10:
		ip[0] = 0x40 | byte(r.IntN(16))
	case 11:
		ip[9] = byte(r.IntN(256))
	case 12:
		binary.BigEndian.PutUint16(ip[6:], uint16(r.IntN(1<<14)))
	case 13:
		length = uint64(r.IntN(60))
	}
	return length
}
