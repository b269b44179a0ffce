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
/* Bytes of the ICMP message. */
#define TOOBIG_ICMP (sizeof(struct icmphdr) + TOOBIG_QUOTE)

/*
 * Cut the packet off to what is quoted of it and put room in front: for the answer's headers, and for an Ethernet header
 * back to the sender, which is written. family is 4 or 6. Returns where the answer's IP header begins, NULL on failure.
 */
static __always_inline void *toobig_open(hook_ctx *ctx, const __u32 headers, const int family)
{
	struct ethhdr *eth = hook_data(ctx);
	__u8 back[6], own[6];

	if ((void *)(eth + 1) > hook_end(ctx))
		return NULL;
	__builtin_memcpy(back, eth->h_source, 6);
	__builtin_memcpy(own, eth->h_dest, 6);
	if (hook_trim(ctx, sizeof(*eth) + TOOBIG_QUOTE) || hook_grow(ctx, headers, family, family))
		return NULL;
	eth = hook_data(ctx);
	if ((void *)(eth + 1) + headers + TOOBIG_QUOTE > hook_end(ctx))
		return NULL;
	eth_write(eth, back, own, family == 6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP));
	return eth + 1;
}

/*
 * Write the ICMP header in front of the quotation. It is laid out alike in both families: where IPv6 has 32 bits for the
 * MTU, IPv4 has 16, behind 16 that are 0. sum is of what the checksum covers besides the message.
 */
static __always_inline void toobig_icmp(struct icmphdr *icmp, __u8 type, __u8 code, __u16 mtu, __u64 sum)
{
	icmp->type = type;
	icmp->code = code;
	icmp->checksum = 0;
	icmp->id = 0;
	icmp->mtu = bpf_htons(mtu);
	sum += bpf_csum_diff(NULL, 0, (void *)icmp, TOOBIG_ICMP, 0) & 0xffffffff;
	icmp->checksum = csum_fold(sum);
}

/*
 * Turn the packet into the answer, which comes from the service's address, as Katran's does: nothing between client
 * and balancer has reason to filter that address. cfg is what the MTU is taken from.
 */
static __always_inline int toobig_ipv4(hook_ctx *ctx, const volatile struct lb_config *cfg, const struct packet *p)
{
	struct iphdr *ip = toobig_open(ctx, sizeof(*ip) + sizeof(struct icmphdr), 4);

	if (!ip)
		return -1;
	ipv4_write(ip, 0, sizeof(*ip) + TOOBIG_ICMP, IPPROTO_ICMP, p->dst[0], p->src[0]);
	toobig_icmp((void *)(ip + 1), ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, cfg->client_mtu, 0);
	return 0;
}

static __always_inline int toobig_ipv6(hook_ctx *ctx, const volatile struct lb_config *cfg, const struct packet *p)
{
	struct ipv6hdr *ip = toobig_open(ctx, sizeof(*ip) + sizeof(struct icmphdr), 6);
	/* The pseudo header: length and protocol, and both addresses. */
	__u64 sum = bpf_htonl(TOOBIG_ICMP) + (__u64)bpf_htonl(IPPROTO_ICMPV6);

	if (!ip)
		return -1;
	ipv6_write(ip, 0, 0, TOOBIG_ICMP, IPPROTO_ICMPV6, p->dst, p->src);
	for (int i = 0; i < 4; i++)
		sum += (__u64)p->dst[i] + p->src[i];
	toobig_icmp((void *)(ip + 1), ICMPV6_PKT_TOOBIG, 0, cfg->client_mtu, sum);
	return 0;
}

#endif
