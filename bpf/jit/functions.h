/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions that are measured, written once: the BPF objects (functions_v1.bpf.c to functions_v4.bpf.c), the kernel module
 * (functions.mod.c) and the program of user space (functions.user.c) include this file, and nothing here depends on which of them does.
 *
 * A function takes the number of an input and returns a value that depends on all of its work. It calls nothing and works on the
 * global variable job alone, because a pointer as an argument would have to be checked in BPF and not elsewhere. Indices are masked,
 * which the verifier needs and a careful C program has.
 *
 * The includer defines now(), ns, and the types of linux/types.h.
 */
#ifndef KXLAB_FUNCTIONS_H
#define KXLAB_FUNCTIONS_H

#include "jit.h"

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

struct jit_job job;

/* A function that is called and not inlined, whose argument the compiler cannot know. */
#define FUNCTION(name)                                                                                                 \
	u64 name(u64 at);                                                                                              \
	__attribute__((noinline)) u64 name(u64 at)
#define HIDE(value) asm volatile("" : "+r"(value))

#define ETHERNET    14 /* bytes of the header */

/* The bytes of an input. */
static inline const u8 *input(u64 at)
{
	HIDE(at);
	return &job.bytes[at % JIT_INPUTS * JIT_BYTES];
}

/* empty - what a call costs by itself */
FUNCTION(empty)
{
	HIDE(at);
	return at;
}

/* checksum - of an IPv4 header without options behind an Ethernet header (RFC 1071) */
FUNCTION(checksum)
{
	const u8 *header = input(at) + ETHERNET;
	u32 sum = 0;

	for (u64 i = 0; i < 20; i += 2)
		sum += *(const u16 *)(header + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (u16)~sum;
}

/* fnv - FNV-1a, 64 bits (draft-eastlake-fnv), of the first JIT_HASHED bytes */
FUNCTION(fnv)
{
	const u8 *bytes = input(at);
	u64 hash = 0xcbf29ce484222325ULL;

	for (u64 i = 0; i < JIT_HASHED; i++) {
		hash ^= bytes[i];
		hash *= 0x100000001b3ULL;
	}
	return hash;
}

/* Two and four bytes in network byte order. */
static inline u32 two(const u8 *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static inline u32 four(const u8 *bytes)
{
	return two(bytes) << 16 | two(bytes + 2);
}

#define ETH_IPV4 0x0800
#define ETH_IPV6 0x86dd
#define ETH_VLAN 0x8100
#define ETH_QINQ 0x88a8

/* classify - parse Ethernet, up to two VLAN tags, IPv4 or IPv6, TCP or UDP */
FUNCTION(classify)
{
	const u8 *packet = input(at);
	u64 length = job.lengths[at % JIT_INPUTS], next = ETHERNET;
	u32 type = two(packet + 12), protocol;

	if (length < ETHERNET)
		return (u64)JIT_SHORT << 32;
	for (u64 tag = 0; tag < 2 && (type == ETH_VLAN || type == ETH_QINQ); tag++) {
		if (next + 4 > length)
			return (u64)JIT_SHORT << 32;
		type = two(packet + next + 2);
		next += 4;
	}
	if (type == ETH_IPV4) {
		const u8 *ip = packet + next;
		u64 header = (ip[0] & 15) * 4;

		if (next + 20 > length || header < 20 || next + header > length)
			return (u64)JIT_SHORT << 32;
		if (two(ip + 6) & 0x1fff)
			return (u64)JIT_FRAGMENT << 32;
		protocol = ip[9];
		next += header;
	} else if (type == ETH_IPV6) {
		if (next + 40 > length)
			return (u64)JIT_SHORT << 32;
		protocol = packet[next + 6];
		next += 40;
	} else {
		return (u64)JIT_OTHER << 32;
	}
	if (protocol != 6 && protocol != 17)
		return (u64)protocol << 32;
	if (next + 4 > length)
		return (u64)JIT_SHORT << 32;
	return (u64)protocol << 32 | four(packet + next);
}

/* The finalizer of MurmurHash3, 64 bits (Appleby). */
static inline u64 mix(u64 key)
{
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdULL;
	key ^= key >> 33;
	key *= 0xc4ceb9fe1a85ec53ULL;
	return key ^ key >> 33;
}

/* lookup - find a key in a hash table with open addressing and linear probing; 0: it is not there */
FUNCTION(lookup)
{
	u64 key, slot;

	HIDE(at);
	key = job.keys[at % JIT_INPUTS];
	slot = mix(key);
	for (u64 i = 0; i < JIT_PROBES; i++) {
		const u64 *found = &job.table[2 * ((slot + i) % JIT_SLOTS)];

		if (found[0] == key)
			return found[1];
		if (!found[0])
			break;
	}
	return 0;
}

static inline u32 rotate(u32 word, u32 bits)
{
	return word << bits | word >> (32 - bits);
}

/* maglev - the backend of a flow, by a ring (Eisenbud et al., NSDI 2016) at the place that Jenkins' lookup3 gives its addresses and ports */
FUNCTION(maglev)
{
	const u8 *ip = input(at) + ETHERNET;
	u32 a = four(ip + 12), b = four(ip + 16), c = four(ip + 20);
	u64 slot;

	c = (c ^ b) - rotate(b, 14);
	a = (a ^ c) - rotate(c, 11);
	b = (b ^ a) - rotate(a, 25);
	c = (c ^ b) - rotate(b, 16);
	a = (a ^ c) - rotate(c, 4);
	b = (b ^ a) - rotate(a, 14);
	c = (c ^ b) - rotate(b, 24);
	slot = c % JIT_RING;
	HIDE(slot); /* compilers know the bound and verifiers do not, so that the check must stay */
	return slot < JIT_RING ? job.ring[slot] : 0;
}

/* loop - xorshift, 64 bits (Marsaglia 2003), JIT_ROUNDS times: arithmetic alone, each step needs the one before */
FUNCTION(loop)
{
	u64 state;

	HIDE(at);
	state = job.keys[at % JIT_INPUTS];
	for (u64 i = 0; i < JIT_ROUNDS; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
	}
	return state;
}

static u32 sorted[JIT_NUMBERS];

/*
 * Puts a number among those that are sorted. By itself, so that a verifier goes through it once and not for each number, and with a count,
 * as the verifier of Linux 6.1 does not see that an index which falls to 0 ends a loop.
 */
u64 place(u64 number, u64 to);
__attribute__((noinline)) u64 place(u64 number, u64 to)
{
	to %= JIT_NUMBERS;
	for (u64 i = 0; i < JIT_NUMBERS; i++) {
		u64 below = sorted[(to - 1) % JIT_NUMBERS];

		if (!to || below <= number)
			break;
		sorted[to % JIT_NUMBERS] = below;
		to--;
	}
	sorted[to % JIT_NUMBERS] = number;
	return to;
}

/* sort - insertion sort of JIT_NUMBERS numbers; returns a sum in which each number has its place */
FUNCTION(sort)
{
	const u32 *numbers = (const u32 *)input(at);
	u64 sum = 0;

	for (u64 i = 0; i < JIT_NUMBERS; i++)
		place(numbers[i], i);
	for (u64 i = 0; i < JIT_NUMBERS; i++)
		sum = sum * 31 + sorted[i];
	return sum;
}

/*
 * TURN(name): turn_name calls the function with some inputs from the first on, rounds times each, and returns how long that took, ns. A
 * call needs the result of the one before, so that a CPU cannot begin it earlier.
 */
#define TURN(name)                                                                                                     \
	static inline u64 turn_##name(u64 first, u64 inputs, u64 rounds)                                               \
	{                                                                                                              \
		u64 began = now(), zero = 0, result = 0;                                                               \
                                                                                                                       \
		HIDE(zero);                                                                                            \
		for (u64 round = 0; round < rounds; round++) {                                                         \
			for (u64 at = 0; at < inputs; at++) {                                                          \
				result = name((first + at) | (result & zero));                                         \
				job.results[(first + at) % JIT_INPUTS] = result;                                       \
			}                                                                                              \
		}                                                                                                      \
		return now() - began;                                                                                  \
	}

TURN(empty)
TURN(checksum)
TURN(fnv)
TURN(classify)
TURN(lookup)
TURN(maglev)
TURN(loop)
TURN(sort)

#endif
