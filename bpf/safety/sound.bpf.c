// SPDX-License-Identifier: GPL-2.0
/*
 * sound - the control: a program without a fault
 *
 * A bounded read of the packet, a lookup that is checked, a counter. If a kernel refuses this one, the others show nothing.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

VALUES(1);

SEC("xdp")
EXPECT("root harmless 2")
int sound(struct xdp_md *ctx)
{
	u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	u32 key = 0;
	u64 *value;

	if (data + 14 > end)
		return XDP_PASS;
	value = bpf_map_lookup_elem(&values, &key);
	if (value)
		*value += data[12];
	return XDP_PASS;
}
