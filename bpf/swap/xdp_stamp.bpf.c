// SPDX-License-Identifier: GPL-2.0
/*
 * xdp_stamp: a version at XDP. It stamps numbered packets and sends them back; all others pass.
 *
 * Each version is this object with another generation. A packet that no version saw does not come back, because nothing sends it.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 generation = 1;

SEC("xdp")
int stamp(struct xdp_md *ctx)
{
	if (!swap_stamp((void *)(long)ctx->data, (void *)(long)ctx->data_end, generation))
		return XDP_PASS;
	return XDP_TX;
}
