// SPDX-License-Identifier: GPL-2.0
/*
 * packet_stale - a pointer into a packet that has moved
 *
 * The helper changes where the packet begins and ends. A pointer from before was checked against the old end.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: invalid mem access 'scalar'")
EXPECT("bpf refused: invalid mem access 'scalar'")
EXPECT("bpf@6.12 refused: R7 !read_ok")
int packet_stale(struct xdp_md *ctx)
{
	u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + 14 > end)
		return XDP_PASS;
	if (bpf_xdp_adjust_head(ctx, 4))
		return XDP_PASS;
	return data[12] ? XDP_PASS : XDP_DROP;
}
