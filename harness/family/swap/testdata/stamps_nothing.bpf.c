// SPDX-License-Identifier: GPL-2.0
/*
 * stamps_nothing: wrong on purpose, a version that sends each thousandth packet back as it is.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 generation = 1;

__u64 packets;

SEC("xdp")
int stamp(struct xdp_md *ctx)
{
	if (++packets % 1000 == 0)
		return XDP_TX;
	return swap_stamp((void *)(long)ctx->data, (void *)(long)ctx->data_end, generation) ? XDP_TX : XDP_PASS;
}
