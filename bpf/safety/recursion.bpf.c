// SPDX-License-Identifier: GPL-2.0
/*
 * recursion - a function that calls itself
 *
 * Its depth is not known before it runs.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

static __attribute__((noinline)) u32 down(u32 n)
{
	volatile u32 left = n;

	return left ? down(left - 1) + left : 0;
}

SEC("xdp")
EXPECT("root refused: back-edge")
EXPECT("root@6.12 refused: the call stack of 9 frames is too deep")
EXPECT("root@7.2 refused: recursive call")
int recursion(struct xdp_md *ctx)
{
	return down(bpf_get_prandom_u32()) ? XDP_PASS : XDP_DROP;
}
