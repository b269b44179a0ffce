// SPDX-License-Identifier: GPL-2.0
/*
 * packet_read - read of a packet whose length is not checked
 *
 * The most common mistake of beginners. A short packet ends before byte 100; behind it lies whatever used the page before.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: invalid access to packet")
int packet_read(struct xdp_md *ctx)
{
	u8 *data = (void *)(long)ctx->data;

	return data[100] ? XDP_PASS : XDP_DROP;
}
