// SPDX-License-Identifier: GPL-2.0
/*
 * tail_self - a program that jumps to itself for ever
 *
 * A tail call does not return; the kernel ends the chain after 33.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

int tail_self(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__array(values, int(struct xdp_md *));
} programs SEC(".maps") = {.values = {(void *)tail_self}};

u64 rounds;

SEC("xdp")
EXPECT("root harmless 34")
int tail_self(struct xdp_md *ctx)
{
	rounds++;
	bpf_tail_call(ctx, &programs, 0);
	return rounds;
}
