// SPDX-License-Identifier: GPL-2.0
/*
 * stamps_twice: wrong on purpose, a version that counts two hops for each thousandth packet.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 generation = 1;

__u64 packets;

SEC("xdp")
int stamp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (!swap_stamp(data, end, generation))
		return XDP_PASS;
	if (++packets % 1000 == 0)
		swap_stamp(data, end, generation);
	return XDP_TX;
}
