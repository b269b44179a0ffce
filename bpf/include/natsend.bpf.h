/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rewriting a packet by its table entry, and sending it by the kernel's routing table.
 */
#ifndef KXLAB_NATSEND_BPF_H
#define KXLAB_NATSEND_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "natflow.bpf.h"
#include "natsum.bpf.h"
#include "parse.bpf.h"
#include "stats.bpf.h"

#ifndef AF_INET
#define AF_INET	 2
#define AF_INET6 10
#endif

/* The action for a packet. */
enum nat_fate {
	NAT_PASS, /* leave it to the kernel */
	NAT_DROP,
	NAT_SEND, /* rewritten, with new MAC addresses: send it by nat_pkt.ifindex */
};

/* A packet on its way through. */
struct nat_pkt {
	void *ctx; /* of the hook, for the route look-up */
	void *data;
	void *data_end;
	__u32 len; /* of the whole frame, which may end behind data_end */
	__u32 ifindex; /* the link it came in by, then the link it leaves by */
};

/* Asks the kernel's routing table where the packet goes, and sets MAC addresses and link. False: it does not know. */
static __always_inline bool nat_route(struct nat_pkt *p, struct bpf_fib_lookup *fib)
{
	struct ethhdr *eth = p->data;

	fib->ifindex = p->ifindex;
	if (bpf_fib_lookup(p->ctx, fib, sizeof(*fib), 0) != BPF_FIB_LKUP_RET_SUCCESS) {
		stat_count(LB_STAT_NOROUTE);
		return false;
	}
	__builtin_memcpy(eth->h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, fib->smac, ETH_ALEN);
	p->ifindex = fib->ifindex;
	return true;
}

/*
 * Overwrites address and port on one side of a TCP or UDP header pair, adding what changed to the sums. The address is
 * the last 32 bits plus, for IPv6, the three words before.
 */
static __always_inline __u64 nat_put_addr(__be32 *at, const struct nat_flow *to, const bool v6)
{
	__u64 sum = 0;

	if (v6) {
		sum = nat_put32(sum, &at[0], to->addr6[0]);
		sum = nat_put32(sum, &at[1], to->addr6[1]);
		sum = nat_put32(sum, &at[2], to->addr6[2]);
		return nat_put32(sum, &at[3], to->addr);
	}
	return nat_put32(sum, at, to->addr);
}

/*
 * Sends a translated packet off: takes one from the TTL if the kernel's routing table knows the way. If it does not,
 * the kernel gets the translated packet with its TTL as it was, as a router would after its NAT: it resolves the
 * neighbour, fragments, or answers with an error.
 */
static __always_inline int nat_forward(struct nat_pkt *p, void *l3, const struct packet *pkt, const bool v6)
{
	struct bpf_fib_lookup fib = {};
	struct ipv6hdr *ip6 = l3;
	struct iphdr *ip = l3;

	fib.l4_protocol = pkt->proto;
	fib.tot_len = pkt->ip_len;
	if (v6) {
		fib.family = AF_INET6;
		fib.flowinfo = *(__be32 *)ip6 & bpf_htonl(0x0fffffff);
		__builtin_memcpy(fib.ipv6_src, &ip6->saddr, 16);
		__builtin_memcpy(fib.ipv6_dst, &ip6->daddr, 16);
		if (!nat_route(p, &fib))
			return NAT_PASS;
		ip6->hop_limit--;
	} else {
		fib.family = AF_INET;
		fib.tos = pkt->tos;
		fib.ipv4_src = ip->saddr;
		fib.ipv4_dst = ip->daddr;
		if (!nat_route(p, &fib))
			return NAT_PASS;
		nat_sum_apply(&ip->check, nat_put16(0, (__u16 *)&ip->ttl, *(__u16 *)&ip->ttl - 1));
	}
	return NAT_SEND;
}

#endif
