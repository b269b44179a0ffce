/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Putting an Ethernet header, and an outer IP header, in front of a packet for a real. Works on whichever hook was
 * included first.
 */
#ifndef KXLAB_ENCAP_BPF_H
#define KXLAB_ENCAP_BPF_H

#include "csum.bpf.h"
#include "lb.h"
#include "parse.bpf.h"

#define ENCAP_TTL 64

/* Write an Ethernet header from src to dst. */
static __always_inline void eth_write(struct ethhdr *eth, const volatile __u8 *dst, const volatile __u8 *src,
				      __be16 proto)
{
	/* Fields of 2 bytes: MAC addresses in our structs are aligned no better. */
	__u16 *to = (__u16 *)eth;
	const volatile __u16 *d = (const volatile __u16 *)dst, *s = (const volatile __u16 *)src;

	to[0] = d[0];
	to[1] = d[1];
	to[2] = d[2];
	to[3] = s[0];
	to[4] = s[1];
	to[5] = s[2];
	to[6] = proto;
}

/* Write an IPv4 header. Fragmentation is forbidden, the identification is 0 as atomic packets may have it (RFC 6864). */
static __always_inline void ipv4_write(struct iphdr *ip, __u8 tos, __u32 len, __u8 proto, __be32 src, __be32 dst)
{
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = tos;
	ip->tot_len = bpf_htons(len);
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = ENCAP_TTL;
	ip->protocol = proto;
	ip->check = 0;
	ip->saddr = src;
	ip->daddr = dst;
	ip->check = csum_ipv4(ip);
}

/* Write an IPv6 header; payload is what follows it, bytes. */
static __always_inline void ipv6_write(struct ipv6hdr *ip, __u8 tos, __u32 label, __u32 payload, __u8 proto,
				       const volatile __be32 *src, const volatile __be32 *dst)
{
	*(__be32 *)ip = bpf_htonl(6U << 28 | (__u32)tos << 20 | label);
	ip->payload_len = bpf_htons(payload);
	ip->nexthdr = proto;
	ip->hop_limit = ENCAP_TTL;
	for (int i = 0; i < 4; i++) {
		ip->saddr.s6_addr32[i] = src[i];
		ip->daddr.s6_addr32[i] = dst[i];
	}
}

/*
 * Put the packet into an IPv4 packet from cfg.addr4 to the real. inner is 4 or 6. Type of service and ECN are copied
 * (RFC 2003, RFC 6040).
 */
static __always_inline int encap_ipv4(hook_ctx *ctx, const volatile struct lb_config *cfg, const struct packet *p,
				      const struct lb_real *real, int inner)
{
	__u64 dst = *(const __u64 *)real->mac,
	      src = *(const volatile __u64 *)cfg->mac; /* 6 bytes of each, and 2 more */
	__u64 first, len, last, sum, from, to;
	__u64 *word; /* not aligned: the kernel allows that in packets where the machine does */

	if (hook_grow(ctx, sizeof(struct iphdr), 4, inner))
		return -1;
	word = hook_data(ctx);
	if ((void *)word + sizeof(struct ethhdr) + sizeof(struct iphdr) > hook_end(ctx))
		return -1;
	/* Words of the header as they lie in memory: what ipv4_write writes, without reading it again for the checksum. */
	first = 0x45 | (__u32)p->tos << 8;
	len = bpf_htons(p->ip_len + sizeof(struct iphdr));
	last = ENCAP_TTL | (inner == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP) << 8;
	from = cfg->addr4;
	to = real->addr[0];
	sum = first + len + bpf_htons(0x4000) + last + from + to; /* below 2^34 */
	sum = csum_fold_short((sum & 0xffff) + (sum >> 16));
	word[0] = (dst & 0xffffffffffff) | src << 48;
	word[1] = (src >> 16 & 0xffffffff) | (__u64)bpf_htons(ETH_P_IP) << 32 | first << 48;
	word[2] = len | (__u64)bpf_htons(0x4000) << 32 | last << 48;
	word[3] = sum | from << 16 | to << 48;
	*(__u16 *)(word + 4) = to >> 16;
	return 0;
}

/* Put the packet into an IPv6 packet from cfg.addr6 to the real. The flow label comes from the hash (RFC 6438). */
static __always_inline int encap_ipv6(hook_ctx *ctx, const volatile struct lb_config *cfg, const struct packet *p,
				      const struct lb_real *real, int inner, __u64 hash)
{
	struct ethhdr *eth;
	struct ipv6hdr *ip;

	if (hook_grow(ctx, sizeof(*ip), 6, inner))
		return -1;
	eth = hook_data(ctx);
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > hook_end(ctx))
		return -1;
	eth_write(eth, real->mac, cfg->mac, bpf_htons(ETH_P_IPV6));
	ipv6_write(ip, p->tos, hash & 0xfffff, p->ip_len, inner == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP, cfg->addr6,
		   real->addr);
	return 0;
}

#endif
