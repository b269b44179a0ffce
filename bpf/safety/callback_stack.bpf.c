// SPDX-License-Identifier: GPL-2.0
/*
 * callback_stack - a callback that uses the caller's stack wrongly
 *
 * The callback writes behind what its context points to.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

static int round(u64 index, u64 *ctx)
{
	ctx[4] = index;
	return 0;
}

SEC("xdp")
EXPECT("root refused: invalid write to stack")
int callback_stack(struct xdp_md *ctx)
{
	u64 value = 0;

	bpf_loop(2, round, &value, 0);
	return value ? XDP_PASS : XDP_DROP;
}
