// SPDX-License-Identifier: GPL-2.0
/*
 * xdp-dsr: direct server return on one segment: only the MAC addresses change.
 *
 * Policy: services, ring, flow table and flood guard are those of xdp-ipip; the packet goes to the real's MAC address
 * with its IP header untouched, time to live included, as a switch would send it. The real owns the service's address
 * and answers the client directly.
 *
 * Good for: reals on the balancer's own segment. No tunnel, thus no smaller MTU and no decapsulation; nothing in the
 * packet but 12 bytes changes.
 *
 * Known weakness: the reals must be on the segment. A misconfigured real that sends packets back to the balancer makes a
 * loop that no time to live ends. Else as xdp-ipip.
 *
 * Deviations from Katran: 1 to 4, 7 to 9 and 11 of xdp-ipip, and
 * 13. no outer header, thus packets of any length that arrives.
 */
#include "hook_xdp.bpf.h"
#include "forward.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
int xdp_dsr(struct xdp_md *ctx)
{
	return forward(ctx, track_all, FORWARD_MAC);
}
