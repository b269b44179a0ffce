// SPDX-License-Identifier: GPL-2.0
/*
 * xdp-tx: a ceiling: every IPv4 and IPv6 packet goes to the first real's MAC address, by XDP_TX.
 *
 * Policy: none. It reads no header but Ethernet's, balances nothing and counts nothing.
 *
 * Good for: the maximum of link, generator and sink for a balancer on XDP that sends by XDP_TX.
 *
 * Known weakness: it also takes packets for the host itself, neighbour discovery included, so neighbours must be static.
 */
#include "hook_xdp.bpf.h"
#include "ceiling.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
int xdp_tx(struct xdp_md *ctx)
{
	return ceiling_aim(ctx) ? XDP_TX : XDP_PASS;
}
