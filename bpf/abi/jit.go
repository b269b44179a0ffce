// SPDX-License-Identifier: Apache-2.0

// Code generated from bpf/include/jit.h by bpf/abi/gen. DO NOT EDIT.

package abi

// The constants of bpf/include/jit.h.
const (
	JitInputs   = 64    // inputs of each function; a power of two
	JitBytes    = 256   // of an input: a packet, or numbers of 32 bits
	JitNumbers  = 64    // that are sorted
	JitHashed   = 64    // bytes that are hashed
	JitRounds   = 256   // of the bounded loop
	JitSlots    = 4096  // of the hash table; a power of two
	JitProbes   = 32    // slots that a lookup reads at most
	JitRing     = 65537 // slots of the Maglev ring; a prime
	JitRoom     = 65540 // JIT_RING, up to a multiple of 8 bytes
	JitTurns    = 1024  // turns of a trial at most
	JitEmpty    = 0     // returns its argument
	JitChecksum = 1     // of an IPv4 header
	JitFnv      = 2     // FNV-1a of JIT_HASHED bytes
	JitClassify = 3     // parses a packet: protocol, ports, fragment
	JitLookup   = 4     // of a key in the hash table
	JitMaglev   = 5     // the backend of a packet's flow
	JitLoop     = 6     // JIT_ROUNDS rounds of xorshift
	JitSort     = 7     // JIT_NUMBERS numbers
	JitMap      = 8     // as JIT_LOOKUP, in the kernel's own hash table; BPF only
	JitShort    = 256   // the packet ends too early
	JitOther    = 257   // neither IPv4 nor IPv6
	JitFragment = 258   // not the first fragment
)

// JitJob is struct jit_job, 230952 bytes.
type JitJob struct {
	Function uint64       // its number
	Inputs   uint64       // of a turn: the first turn has the first ones, the next turn those that follow
	Rounds   uint64       // how often a turn calls the function with each of its inputs
	Turns    uint64       // at most JIT_TURNS
	Took     [1024]uint64 // times of the function's turns, ns
	Idle     [1024]uint64 // times of the empty function's turns, ns
	Results  [64]uint64   // of the function
	Bytes    [16384]byte
	Lengths  [64]uint64 // of the packets in them, bytes
	Keys     [64]uint64 // that are looked up; not 0
	Table    [8192]uint64
	Ring     [65540]uint16 // backends
}
