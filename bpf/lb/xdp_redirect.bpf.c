// SPDX-License-Identifier: GPL-2.0
/*
 * xdp-redirect: the ceiling xdp-tx, but by bpf_redirect to the link the packet came in by: its policy and its known
 * weakness are the same.
 *
 * Good for: what the link, the generator and the sink can do at most when the balancer is on XDP and sends by redirect.
 */
#include "hook_xdp.bpf.h"
#include "ceiling.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
int xdp_redirect(struct xdp_md *ctx)
{
	return ceiling_aim(ctx) ? bpf_redirect(cfg.ifindex, 0) : XDP_PASS;
}
