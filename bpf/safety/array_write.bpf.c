// SPDX-License-Identifier: GPL-2.0
/*
 * array_write - write behind the end of a map's value, at an index from the packet
 *
 * Nothing bounds the index. The sender of the packet chooses which byte of the kernel is written: the classical exploit.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

VALUES(1);

SEC("xdp")
EXPECT("root refused: unbounded memory access")
int array_write(struct xdp_md *ctx)
{
	u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	u32 key = 0;
	u8 *value;

	if (data + 8 > end)
		return XDP_PASS;
	value = bpf_map_lookup_elem(&values, &key);
	if (value)
		value[*(u32 *)data] = 1;
	return XDP_PASS;
}
