// SPDX-License-Identifier: GPL-2.0
/*
 * reorders: wrong on purpose, a version that swaps the numbers of two packets in a thousand, as if they had changed places.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 generation = 1;

SEC("xdp")
int stamp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct swap_stamp *s = swap_find(data, end);

	if (!s)
		return XDP_PASS;
	if (s->seq % 1000 < 2)
		s->seq ^= 1;
	swap_stamp(data, end, generation);
	return XDP_TX;
}
