// SPDX-License-Identifier: GPL-2.0
/*
 * stack_of_calls - functions that together need more than 512 bytes
 *
 * Each has 400 bytes, which is allowed; one calls the other.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

static __attribute__((noinline)) int inner(u64 seed)
{
	volatile u64 room[50];

	room[seed & 31] = seed;
	return room[0];
}

SEC("xdp")
EXPECT("root refused: combined stack size of 2 calls")
EXPECT("bpf refused: variable stack access prohibited")
int stack_of_calls(struct xdp_md *ctx)
{
	volatile u64 room[50] = {};

	room[0] = bpf_get_prandom_u32();
	return inner(room[0]) + room[1] ? XDP_PASS : XDP_DROP;
}
