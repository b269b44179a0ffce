// SPDX-License-Identifier: GPL-2.0
/*
 * pointer_to_map - a kernel pointer stored where user space reads it
 *
 * It tells where things lie in the kernel, which the address space's randomisation hides. Loaders with CAP_PERFMON may.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

u64 leaked;

SEC("xdp")
EXPECT("root leak")
EXPECT("bpf refused: leaks addr into")
int pointer_to_map(struct xdp_md *ctx)
{
	leaked = (u64)(long)ctx;
	return XDP_PASS;
}
