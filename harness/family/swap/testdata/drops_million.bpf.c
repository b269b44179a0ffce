// SPDX-License-Identifier: GPL-2.0
/*
 * drops_million: wrong on purpose, a version that drops one packet in a million and stamps the others.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 generation = 1;

__u64 packets;

SEC("xdp")
int stamp(struct xdp_md *ctx)
{
	if (!swap_stamp((void *)(long)ctx->data, (void *)(long)ctx->data_end, generation))
		return XDP_PASS;
	return ++packets % 1000000 ? XDP_TX : XDP_DROP;
}
