// SPDX-License-Identifier: GPL-2.0
/*
 * other_version: wrong on purpose, a version that signs each thousandth packet as the next version.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 generation = 1;

__u64 packets;

SEC("xdp")
int stamp(struct xdp_md *ctx)
{
	__u32 of = ++packets % 1000 ? generation : generation + 1;

	return swap_stamp((void *)(long)ctx->data, (void *)(long)ctx->data_end, of) ? XDP_TX : XDP_PASS;
}
