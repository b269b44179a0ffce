// SPDX-License-Identifier: GPL-2.0
/*
 * loop_long - eight million rounds by bpf_loop
 *
 * The most that one call may make. It ends, after tens of milliseconds, in which the CPU does nothing else.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

static int round(u64 index, void *ctx)
{
	return 0;
}

SEC("xdp")
EXPECT("root harmless 2")
int loop_long(struct xdp_md *ctx)
{
	bpf_loop(1 << 23, round, NULL, 0);
	return XDP_PASS;
}
