// SPDX-License-Identifier: GPL-2.0
/*
 * stays_behind: wrong on purpose, a version from the third on signs as the second.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 generation = 1;

SEC("xdp")
int stamp(struct xdp_md *ctx)
{
	__u32 as = generation > 2 ? 2 : generation;

	return swap_stamp((void *)(long)ctx->data, (void *)(long)ctx->data_end, as) ? XDP_TX : XDP_PASS;
}
