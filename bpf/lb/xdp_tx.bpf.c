// SPDX-License-Identifier: GPL-2.0
/*
 * xdp-tx: a ceiling: every IPv4 and IPv6 packet goes to the first real's MAC address, by XDP_TX.
 *
 * Policy: none. It reads no header but Ethernet's, balances nothing and counts nothing.
 *
 * Good for: what the link, the generator and the sink can do at most when the balancer is on XDP and sends by XDP_TX.
 *
 * Known weakness: it takes what is for the host itself, too, neighbour discovery included: neighbours must be static.
 */
#include "hook_xdp.bpf.h"
#include "ceiling.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
int xdp_tx(struct xdp_md *ctx)
{
	return ceiling_aim(ctx) ? XDP_TX : XDP_PASS;
}
