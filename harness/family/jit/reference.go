// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/bits"
	"slices"

	"github.com/kxlab/kxlab/bpf/abi"
)

// The second implementation of each function, from its definition and not from the C source. Nothing of it is measured.

// input is an input's bytes.
func input(j *abi.JitJob, at int) []byte { return j.Bytes[at*abi.JitBytes : (at+1)*abi.JitBytes] }

const ethernet = 14 // bytes of the header

// checksum is the Internet checksum (RFC 1071) of the 20 bytes behind the Ethernet header, as it is stored in a little-endian machine.
func checksum(j *abi.JitJob, at int) uint64 {
	header := input(j, at)[ethernet : ethernet+20]
	sum := uint64(0)
	for i := 0; i < len(header); i += 2 {
		sum += uint64(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint64(bits.ReverseBytes16(^uint16(sum)))
}

// fnvHash is FNV-1a of 64 bits.
func fnvHash(j *abi.JitJob, at int) uint64 {
	h := fnv.New64a()
	h.Write(input(j, at)[:abi.JitHashed])
	return h.Sum64()
}

// classify says what a packet is.
func classify(j *abi.JitJob, at int) uint64 {
	packet := input(j, at)[:j.Lengths[at]]
	if len(packet) < ethernet {
		return abi.JitShort << 32
	}
	kind, rest := binary.BigEndian.Uint16(packet[12:]), packet[ethernet:]
	for tags := 0; tags < 2 && (kind == 0x8100 || kind == 0x88a8); tags++ {
		if len(rest) < 4 {
			return abi.JitShort << 32
		}
		kind, rest = binary.BigEndian.Uint16(rest[2:]), rest[4:]
	}
	var protocol byte
	switch kind {
	case 0x0800:
		if len(rest) < 20 || rest[0]&15 < 5 || len(rest) < int(rest[0]&15)*4 {
			return abi.JitShort << 32
		}
		if binary.BigEndian.Uint16(rest[6:])&0x1fff != 0 {
			return abi.JitFragment << 32
		}
		protocol, rest = rest[9], rest[rest[0]&15*4:]
	case 0x86dd:
		if len(rest) < 40 {
			return abi.JitShort << 32
		}
		protocol, rest = rest[6], rest[40:]
	default:
		return abi.JitOther << 32
	}
	switch {
	case protocol != 6 && protocol != 17:
		return uint64(protocol) << 32
	case len(rest) < 4:
		return abi.JitShort << 32
	}
	return uint64(protocol)<<32 | uint64(binary.BigEndian.Uint32(rest))
}

// lookup is the value of a key in the table, wherever it stands; 0: it is not there.
func lookup(j *abi.JitJob, at int) uint64 {
	for i := 0; i < len(j.Table); i += 2 {
		if j.Table[i] == j.Keys[at] {
			return j.Table[i+1]
		}
	}
	return 0
}

// maglev is the ring's slot for the flow, by the last step of Jenkins' lookup3.
func maglev(j *abi.JitJob, at int) uint64 {
	ip := input(j, at)[ethernet:]
	w := [3]uint32{binary.BigEndian.Uint32(ip[12:]), binary.BigEndian.Uint32(ip[16:]), binary.BigEndian.Uint32(ip[20:])}
	for i, by := range []int{14, 11, 25, 16, 4, 14, 24} {
		to, from := (2+i)%3, (1+i)%3
		w[to] = (w[to] ^ w[from]) - bits.RotateLeft32(w[from], by)
	}
	return uint64(j.Ring[w[2]%abi.JitRing])
}

// loop is xorshift of 64 bits.
func loop(j *abi.JitJob, at int) uint64 {
	state := j.Keys[at]
	for range abi.JitRounds {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
	}
	return state
}

// sortSum is a polynomial in 31 whose coefficients are the numbers of an input, the largest last.
func sortSum(j *abi.JitJob, at int) uint64 {
	var numbers [abi.JitNumbers]uint32
	for i := range numbers {
		numbers[i] = binary.LittleEndian.Uint32(input(j, at)[4*i:])
	}
	slices.Sort(numbers[:])
	sum := uint64(0)
	for _, n := range numbers {
		sum = sum*31 + uint64(n)
	}
	return sum
}

// judge returns an error that names the first input for which a place gave another result than the second implementation.
func judge(f function, j *abi.JitJob) error {
	for at, got := range j.Results {
		if want := f.expect(j, at); got != want {
			return fmt.Errorf("function %s is wrong: for input %d it returned %#x, want %#x", f.name, at, got, want)
		}
	}
	return nil
}
