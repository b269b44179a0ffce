/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The flow of a packet that the parser refused. Fragments, options, extension headers and malformed packets are dropped only if
 * they are for a service, because the host's own traffic contains such packets, too.
 */
#ifndef KXLAB_REFUSE_BPF_H
#define KXLAB_REFUSE_BPF_H

#include "parse.bpf.h"

/*
 * Finds addresses, protocol and ports of a packet that parse_ipv4 or parse_ipv6 did not take, between l3, its IP
 * header, and end. False if it shows none: a later fragment, a header cut off, another protocol. One extension header
 * is looked behind, but not behind one in a malformed packet.
 */
static __noinline bool refused_flow(void *l3, void *end, struct packet *pkt, enum parsed why, bool v6)
{
	__be16 *port;

	if (v6) {
		struct ipv6hdr *ip6 = l3;
		__u8 *ext = (void *)(ip6 + 1);
		__u32 skip = 0;

		if ((void *)(ip6 + 1) > end || ip6->version != 6)
			return false;
		pkt->proto = ip6->nexthdr;
		if (why != PARSED_MALFORMED) {
			if ((void *)(ext + 8) > end)
				return false;
			pkt->proto = ext[0];
			skip = (ext[1] + 1) * 8;
			if (ip6->nexthdr == IPPROTO_AH)
				skip = (ext[1] + 2) * 4;
			if (ip6->nexthdr == IPPROTO_FRAGMENT) {
				if (*(__be16 *)(ext + 2) & bpf_htons(0xfff8))
					return false;
				skip = 8;
			}
		}
		port = (void *)(ext + (skip & 0xfff));
		__builtin_memcpy(pkt->src, &ip6->saddr, 16);
		__builtin_memcpy(pkt->dst, &ip6->daddr, 16);
	} else {
		struct iphdr *ip = l3;

		if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5 || (ip->frag_off & bpf_htons(0x1fff)))
			return false;
		port = l3 + ip->ihl * 4;
		pkt->proto = ip->protocol;
		pkt->src[0] = ip->saddr;
		pkt->dst[0] = ip->daddr;
	}
	if ((void *)(port + 2) > end || (pkt->proto != IPPROTO_TCP && pkt->proto != IPPROTO_UDP))
		return false;
	pkt->sport = port[0];
	pkt->dport = port[1];
	return true;
}

#endif
