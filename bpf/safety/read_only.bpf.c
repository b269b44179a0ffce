// SPDX-License-Identifier: GPL-2.0
/*
 * read_only - write to memory that is for reading
 *
 * Constants of a program lie in a map that is frozen. The verifier has drawn conclusions from them.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile u64 constant = 1;

SEC("xdp")
EXPECT("root refused: write into map forbidden")
int read_only(struct xdp_md *ctx)
{
	*(volatile u64 *)&constant = 2;
	return XDP_PASS;
}
