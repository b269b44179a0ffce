/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Answering a packet that is too long for the tunnel with ICMP fragmentation needed or ICMPv6 packet too big. Works on
 * whichever hook was included first.
 */
#ifndef KXLAB_TOOBIG_BPF_H
#define KXLAB_TOOBIG_BPF_H

#include "csum.bpf.h"
#include "encap.bpf.h"
#include "lb.h"
#include "parse.bpf.h"

/* Bytes of the client's IP packet that the answer quotes: the same for both families, far more than hosts need. */
#define TOOBIG_QUOTE 128

/*
 * Turn the packet into the answer, which comes from the service's address, as Katran's does: nothing between client
 * and balancer has reason to filter that address. cfg is what the MTU is taken from.
 */
static __always_inline int toobig_ipv4(hook_ctx *ctx, const volatile struct lb_config *cfg, const struct packet *p)
{
	const __u32 room = sizeof(struct iphdr) + sizeof(struct icmphdr);
	__u8 back[6], own[6];
	struct icmphdr *icmp;
	struct ethhdr *eth = hook_data(ctx);
	struct iphdr *ip;

	if ((void *)(eth + 1) > hook_end(ctx))
		return -1;
	__builtin_memcpy(back, eth->h_source, 6);
	__builtin_memcpy(own, eth->h_dest, 6);
	if (hook_trim(ctx, sizeof(*eth) + TOOBIG_QUOTE) || hook_grow(ctx, room, 4, 4))
		return -1;
	eth = hook_data(ctx);
	ip = (void *)(eth + 1);
	icmp = (void *)(ip + 1);
	if ((void *)(icmp + 1) + TOOBIG_QUOTE > hook_end(ctx))
		return -1;
	eth_write(eth, back, own, bpf_htons(ETH_P_IP));
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = 0;
	ip->tot_len = bpf_htons(room + TOOBIG_QUOTE);
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = ENCAP_TTL;
	ip->protocol = IPPROTO_ICMP;
	ip->check = 0;
	ip->saddr = p->dst[0];
	ip->daddr = p->src[0];
	ip->check = csum_ipv4(ip);
	icmp->type = ICMP_DEST_UNREACH;
	icmp->code = ICMP_FRAG_NEEDED;
	icmp->checksum = 0;
	icmp->id = 0;
	icmp->mtu = bpf_htons(cfg->client_mtu);
	icmp->checksum = csum_fold(bpf_csum_diff(NULL, 0, (void *)icmp, sizeof(*icmp) + TOOBIG_QUOTE, 0) & 0xffffffff);
	return 0;
}

static __always_inline int toobig_ipv6(hook_ctx *ctx, const volatile struct lb_config *cfg, const struct packet *p)
{
	const __u32 room = sizeof(struct ipv6hdr) + sizeof(struct icmp6hdr);
	const __u32 payload = sizeof(struct icmp6hdr) + TOOBIG_QUOTE;
	__u8 back[6], own[6];
	struct icmp6hdr *icmp;
	struct ethhdr *eth = hook_data(ctx);
	struct ipv6hdr *ip;
	__u64 sum;

	if ((void *)(eth + 1) > hook_end(ctx))
		return -1;
	__builtin_memcpy(back, eth->h_source, 6);
	__builtin_memcpy(own, eth->h_dest, 6);
	if (hook_trim(ctx, sizeof(*eth) + TOOBIG_QUOTE) || hook_grow(ctx, room, 6, 6))
		return -1;
	eth = hook_data(ctx);
	ip = (void *)(eth + 1);
	icmp = (void *)(ip + 1);
	if ((void *)(icmp + 1) + TOOBIG_QUOTE > hook_end(ctx))
		return -1;
	eth_write(eth, back, own, bpf_htons(ETH_P_IPV6));
	*(__be32 *)ip = bpf_htonl(6U << 28);
	ip->payload_len = bpf_htons(payload);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = ENCAP_TTL;
	icmp->icmp6_type = ICMPV6_PKT_TOOBIG;
	icmp->icmp6_code = 0;
	icmp->icmp6_cksum = 0;
	icmp->icmp6_mtu = bpf_htonl(cfg->client_mtu);
	/* The pseudo header: both addresses, length and protocol. */
	sum = bpf_htonl(payload) + (__u64)bpf_htonl(IPPROTO_ICMPV6);
	for (int i = 0; i < 4; i++) {
		ip->saddr.s6_addr32[i] = p->dst[i];
		ip->daddr.s6_addr32[i] = p->src[i];
		sum += (__u64)p->dst[i] + p->src[i];
	}
	sum += bpf_csum_diff(NULL, 0, (void *)icmp, sizeof(*icmp) + TOOBIG_QUOTE, 0) & 0xffffffff;
	icmp->icmp6_cksum = csum_fold(sum);
	return 0;
}

#endif
