// SPDX-License-Identifier: GPL-2.0
/*
 * wrong_size - a size that is larger than the buffer
 *
 * The helper would write 64 bytes to 8 on the stack.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: invalid indirect access to stack")
EXPECT("root@6.18 refused: invalid write to stack")
int wrong_size(struct xdp_md *ctx)
{
	u64 value = 0;

	bpf_xdp_load_bytes(ctx, 0, &value, 64);
	return value ? XDP_PASS : XDP_DROP;
}
