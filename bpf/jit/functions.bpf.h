/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions of functions.h as BPF programs, one a function. A program makes one turn and returns how long it took, ns.
 *
 * functions_v1.bpf.c to functions_v4.bpf.c include this file and differ in the instruction set that they are compiled for (Makefile).
 */
#ifndef KXLAB_FUNCTIONS_BPF_H
#define KXLAB_FUNCTIONS_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

static __always_inline __u64 now(void)
{
	return bpf_ktime_get_ns();
}

#include "functions.h"

char _license[] SEC("license") = "GPL";

/* As in struct jit_job. The verifier knows them, and follows every call. */
const volatile u64 inputs = 1;
const volatile u64 rounds = 1;
u64 first; /* input of the turn */

/* The keys and values of the hash table in job, in a hash table of the kernel's. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, JIT_SLOTS);
	__type(key, u64);
	__type(value, u64);
} entries SEC(".maps");

/* map - as lookup, by the kernel's hash table; 0: the key is not there */
FUNCTION(map)
{
	u64 key, *value;

	HIDE(at);
	key = job.keys[at % JIT_INPUTS];
	value = bpf_map_lookup_elem(&entries, &key);
	return value ? *value : 0;
}

TURN(map)

#define PROGRAM(name)                                                                                                  \
	SEC("syscall")                                                                                                 \
	int run_##name(void *ctx)                                                                                      \
	{                                                                                                              \
		return turn_##name(first, inputs, rounds);                                                             \
	}

PROGRAM(empty)
PROGRAM(checksum)
PROGRAM(fnv)
PROGRAM(classify)
PROGRAM(lookup)
PROGRAM(maglev)
PROGRAM(loop)
PROGRAM(sort)
PROGRAM(map)

#endif
