/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions of bpf/jit work on this, and a trial orders them by it. bpf/abi/jit.go is generated from this header. No code, no maps.
 */
#ifndef KXLAB_JIT_H
#define KXLAB_JIT_H

#define JIT_INPUTS  64 /* inputs of each function; a power of two */
#define JIT_BYTES   256 /* of an input: a packet, or numbers of 32 bits */
#define JIT_NUMBERS 64 /* that are sorted */
#define JIT_HASHED  64 /* bytes that are hashed */
#define JIT_ROUNDS  256 /* of the bounded loop */
#define JIT_SLOTS   4096 /* of the hash table; a power of two */
#define JIT_PROBES  32 /* slots that a lookup reads at most */
#define JIT_RING    65537 /* slots of the Maglev ring; a prime */
#define JIT_ROOM    65540 /* JIT_RING, up to a multiple of 8 bytes */
#define JIT_TURNS   1024 /* turns of a trial at most */

/* The functions, by number. */
#define JIT_EMPTY    0 /* returns its argument */
#define JIT_CHECKSUM 1 /* of an IPv4 header */
#define JIT_FNV	     2 /* FNV-1a of JIT_HASHED bytes */
#define JIT_CLASSIFY 3 /* parses a packet: protocol, ports, fragment */
#define JIT_LOOKUP   4 /* of a key in the hash table */
#define JIT_MAGLEV   5 /* the backend of a packet's flow */
#define JIT_LOOP     6 /* JIT_ROUNDS rounds of xorshift */
#define JIT_SORT     7 /* JIT_NUMBERS numbers */
#define JIT_MAP	     8 /* as JIT_LOOKUP, in the kernel's own hash table; BPF only */

/* JIT_CLASSIFY returns the ports, source first, and above them the protocol (IP's), or one of these. */
#define JIT_SHORT    256 /* the packet ends too early */
#define JIT_OTHER    257 /* neither IPv4 nor IPv6 */
#define JIT_FRAGMENT 258 /* not the first fragment */

/* A trial: what is to be done, what came of it, and what the functions work on. */
struct jit_job {
	__u64 function; /* its number */
	__u64 inputs; /* of a turn: the first turn has the first ones, the next turn those that follow */
	__u64 rounds; /* how often a turn calls the function with each of its inputs */
	__u64 turns; /* at most JIT_TURNS */
	__u64 took[JIT_TURNS]; /* times of the function's turns, ns */
	__u64 idle[JIT_TURNS]; /* times of the empty function's turns, ns */
	__u64 results[JIT_INPUTS]; /* of the function */
	__u8 bytes[JIT_INPUTS * JIT_BYTES]; /* the inputs, one behind the other */
	__u64 lengths[JIT_INPUTS]; /* of the packets in them, bytes */
	__u64 keys[JIT_INPUTS]; /* that are looked up; not 0 */
	__u64 table[2 * JIT_SLOTS]; /* the hash table: a key, 0 in a free slot, and its value, not 0 */
	__u16 ring[JIT_ROOM]; /* backends */
};

#endif
