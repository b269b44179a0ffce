// SPDX-License-Identifier: GPL-2.0
/*
 * read_kernel - read of any kernel memory, through the helper for it
 *
 * Allowed by design to loaders with CAP_PERFMON. A wild address gives an error, and no oops.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root harmless 1")
EXPECT("bpf refused: bpf_probe_read_kernel")
int read_kernel(struct xdp_md *ctx)
{
	u64 value;

	return bpf_probe_read_kernel(&value, sizeof(value), (void *)0xffff000012345678ULL) ? 1 : 0;
}
