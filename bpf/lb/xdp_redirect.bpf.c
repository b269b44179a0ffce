// SPDX-License-Identifier: GPL-2.0
/*
 * xdp-redirect: the ceiling xdp-tx with bpf_redirect to the link on which the packet arrived. Policy and known weakness are
 * those of xdp-tx.
 *
 * Good for: the maximum of link, generator and sink for a balancer on XDP that sends by redirect.
 */
#include "hook_xdp.bpf.h"
#include "ceiling.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
int xdp_redirect(struct xdp_md *ctx)
{
	return ceiling_aim(ctx) ? bpf_redirect(cfg.ifindex, 0) : XDP_PASS;
}
