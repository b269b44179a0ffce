// SPDX-License-Identifier: GPL-2.0
/*
 * head: puts four bytes before the packet, 0xee each. After 64 such runs on one packet no headroom is left, and it drops.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

SEC("xdp")
int head(struct xdp_md *ctx)
{
	__u32 *first;

	if (bpf_xdp_adjust_head(ctx, -4))
		return XDP_DROP;
	first = (void *)(long)ctx->data;
	if ((void *)(first + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	*first = 0xeeeeeeee;
	return XDP_TX;
}
