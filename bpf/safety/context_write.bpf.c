// SPDX-License-Identifier: GPL-2.0
/*
 * context_write - write to a field that is for reading
 *
 * The context stands for a struct of the kernel's; most fields must not change under it.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: invalid bpf_context access")
int context_write(struct xdp_md *ctx)
{
	*(volatile u32 *)&ctx->ingress_ifindex = 1;
	return XDP_PASS;
}
