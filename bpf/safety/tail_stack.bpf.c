// SPDX-License-Identifier: GPL-2.0
/*
 * tail_stack - a tail call from deep in the stack
 *
 * Each program of the chain may have 512 bytes more below the caller's: before 5.10 a chain could overflow the kernel's stack.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} programs SEC(".maps");

static __attribute__((noinline)) int jump(struct xdp_md *ctx)
{
	volatile u64 here = 0;

	bpf_tail_call(ctx, &programs, 0);
	return here;
}

SEC("xdp")
EXPECT("root refused: tail_calls are not allowed when call stack of previous frames is")
int tail_stack(struct xdp_md *ctx)
{
	volatile u64 room[40] = {};

	room[1] = bpf_get_prandom_u32();
	return jump(ctx) + room[2];
}
