// SPDX-License-Identifier: GPL-2.0
/*
 * tc-ipip: the service of xdp-ipip on the tcx ingress hook.
 *
 * Policy: as xdp_ipip.bpf.c, from the same headers. Only the hook differs: the packet is an skb, bpf_skb_adjust_room makes
 * room for the outer header, and bpf_redirect sends the packet to the egress of the same link.
 *
 * Good for: links without native XDP, packets that arrive as skbs anyway (containers, after GRO), other programs on the
 * same hook.
 *
 * Known weakness: every packet costs an skb before the program runs. Otherwise as xdp-ipip.
 *
 * Deviations from Katran: those of xdp-ipip, and
 * 13. on tcx, where Katran is on XDP.
 */
#include "hook_tc.bpf.h"
#include "forward.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("tcx/ingress")
int tc_ipip(struct __sk_buff *skb)
{
	if (skb->vlan_present) /* the link took the tag off: not ours */
		return HOOK_PASS;
	return forward(skb, track_all, FORWARD_TUNNEL);
}
