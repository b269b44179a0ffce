// SPDX-License-Identifier: GPL-2.0
/*
 * callback_self - a callback that starts the loop which calls it
 *
 * Recursion by way of a helper.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

static int round(u64 index, void *ctx)
{
	bpf_loop(2, round, NULL, 0);
	return 0;
}

SEC("xdp")
EXPECT("root refused: frames is too deep")
int callback_self(struct xdp_md *ctx)
{
	bpf_loop(2, round, NULL, 0);
	return XDP_PASS;
}
