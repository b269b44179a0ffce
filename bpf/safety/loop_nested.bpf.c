// SPDX-License-Identifier: GPL-2.0
/*
 * loop_nested - eight million times eight million rounds
 *
 * Each bpf_loop is within its limit; nested, they make 70 million million rounds, which take days. The verifier counts no time, so
 * it accepts the program, and the CPU hangs: softirqs are off, nothing may interrupt it.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

static int inner(u64 index, void *ctx)
{
	return 0;
}

static int outer(u64 index, void *ctx)
{
	bpf_loop(1 << 23, inner, NULL, 0);
	return 0;
}

SEC("xdp")
EXPECT("root hang")
int loop_nested(struct xdp_md *ctx)
{
	bpf_loop(1 << 23, outer, NULL, 0);
	return XDP_PASS;
}
