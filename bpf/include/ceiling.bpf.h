/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The processing of the XDP ceilings: no balancing. They differ only in how they send a packet.
 */
#ifndef KXLAB_CEILING_BPF_H
#define KXLAB_CEILING_BPF_H

#include "config.bpf.h"
#include "encap.bpf.h"
#include "real.bpf.h"

/* Address an IPv4 or IPv6 packet to the first real's MAC. False: it is neither, or there is no real. */
static __always_inline bool ceiling_aim(struct xdp_md *ctx)
{
	struct ethhdr *eth = hook_data(ctx);
	struct lb_real *real = real_get(0);

	if ((void *)(eth + 1) > hook_end(ctx) || !real)
		return false;
	if (eth->h_proto != bpf_htons(ETH_P_IP) && eth->h_proto != bpf_htons(ETH_P_IPV6))
		return false;
	eth_write(eth, real->mac, cfg.mac, eth->h_proto);
	return true;
}

#endif
