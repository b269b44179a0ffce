// SPDX-License-Identifier: GPL-2.0
/*
 * tc-nat: the service of xdp-nat on the tcx ingress hook.
 *
 * Policy: as xdp_nat.bpf.c, from the same header. Only the hook differs: the packet is an skb, headers are made linear before
 * they are read, and bpf_redirect sends the packet to the egress of the link in the route.
 *
 * Good for: links without native XDP, packets that arrive as skbs anyway, other programs on the same hook.
 *
 * Known weakness: every packet costs an skb before the program runs. Otherwise as xdp-nat. Checksums are updated in the
 * packet, as if they were complete. With transmit checksum offload on a virtual link, an skb arrives with
 * CHECKSUM_PARTIAL and the field holds only the sum of the pseudo header, to which the change of the port must not be
 * added. The lab disables that offload on every link (package netlab). Any other user on veth must disable it, too.
 *
 * Deviations from kube-proxy: 1 to 10 of xdp_nat.bpf.c. Deviations from Cilium: 11 to 13 of it, and
 * 14. Cilium writes with bpf_skb_store_bytes and bpf_l4_csum_replace, which know of CHECKSUM_PARTIAL; this program writes
 *     into the packet, as XDP does.
 * 15. A packet whose VLAN tag the link removed (vlan_present) is left to the kernel.
 */
#include "hook_tc.bpf.h"
#include "nat.bpf.h"

char _license[] SEC("license") = "GPL";

/* The longest headers that are read: Ethernet, IPv6, ICMPv6 and a quoted IPv6 and TCP header. */
#define TC_HEADERS (OFF_QUOTE_L4_V6 + sizeof(struct tcphdr))

SEC("tcx/ingress")
int tc_nat(struct __sk_buff *skb)
{
	struct nat_pkt p = {.ctx = skb, .len = skb->len, .ifindex = skb->ifindex};

	if (skb->vlan_present)
		return HOOK_PASS;
	if ((void *)(long)skb->data + TC_HEADERS > (void *)(long)skb->data_end && skb->len > skb->data_end - skb->data)
		bpf_skb_pull_data(skb, skb->len < TC_HEADERS ? skb->len : TC_HEADERS);
	p.data = (void *)(long)skb->data;
	p.data_end = (void *)(long)skb->data_end;
	switch (nat_packet(&p)) {
	case NAT_SEND:
		return bpf_redirect(p.ifindex, 0);
	case NAT_DROP:
		return HOOK_DROP;
	default:
		return HOOK_PASS;
	}
}
