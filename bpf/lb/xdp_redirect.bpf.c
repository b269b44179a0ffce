// SPDX-License-Identifier: GPL-2.0
/*
 * xdp-redirect: a ceiling: like xdp-tx, but by bpf_redirect to the link the packet came in by.
 *
 * Policy: none. It reads no header but Ethernet's, balances nothing and counts nothing.
 *
 * Good for: what the link, the generator and the sink can do at most when the balancer is on XDP and sends by redirect.
 *
 * Known weakness: it takes what is for the host itself, too, neighbour discovery included: neighbours must be static.
 */
#include "hook_xdp.bpf.h"
#include "encap.bpf.h"
#include "real.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile struct lb_config cfg;

SEC("xdp")
int xdp_redirect(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct lb_real *real = real_get(0);

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end || !real)
		return XDP_PASS;
	if (eth->h_proto != bpf_htons(ETH_P_IP) && eth->h_proto != bpf_htons(ETH_P_IPV6))
		return XDP_PASS;
	eth_write(eth, real->mac, cfg.mac, eth->h_proto);
	return bpf_redirect(cfg.ifindex, 0);
}
