/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading Ethernet, IPv4, IPv6, TCP, UDP and ICMP headers: what a packet is and to which flow it belongs. Works on
 * plain pointers, so that XDP and tc share it; writes nothing, knows no map.
 */
#ifndef KXLAB_PARSE_BPF_H
#define KXLAB_PARSE_BPF_H

#include <linux/types.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/*
 * A place in a packet. The contract of everything that takes a cursor: it either returns what it took and moves pos
 * behind it, or returns NULL and pos is as it was. Nothing at or after end is ever read.
 */
struct cursor {
	void *pos;
	void *end;
};

/* Take n bytes, n a constant. */
static __always_inline void *cursor_take(struct cursor *c, __u32 n)
{
	void *p = c->pos;

	if (p + n > c->end)
		return NULL;
	c->pos = p + n;
	return p;
}

/* The kind of a packet. */
enum parsed {
	PARSED_PASS, /* nothing to balance: another protocol, ICMP that is no error about a flow; for the kernel */
	PARSED_FLOW, /* TCP or UDP */
	PARSED_ICMP_ERROR, /* an error about a packet of a flow; src, dst and the ports are those of that flow */
	PARSED_FRAGMENT,
	PARSED_OPTIONS, /* IPv4 options or IPv6 extension headers */
	PARSED_MALFORMED, /* truncated or inconsistent */
};

/*
 * An ICMP header: <linux/icmp.h> drags the C library's headers in. ICMPv6's is <linux/icmpv6.h>'s.
 */
struct icmphdr {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be16 id; /* of an echo */
	__be16 mtu; /* of fragmentation needed; of an echo, the sequence number */
};

#define ICMP_DEST_UNREACH  3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMP_FRAG_NEEDED   4 /* a code of ICMP_DEST_UNREACH */

#define TCP_FIN		   0x01
#define TCP_SYN		   0x02
#define TCP_RST		   0x04
#define TCP_ACK		   0x10

/*
 * A parsed packet. IPv4 addresses stand in src[0] and dst[0], the other words are not set. Of PARSED_ICMP_ERROR, src,
 * dst, sport, dport and proto are those of the quoted packet turned round: the quoted packet went from server to
 * client, so here src is the client and dst the service, as in any other packet from the client.
 */
struct packet {
	__be32 src[4];
	__be32 dst[4];
	__be16 sport;
	__be16 dport;
	__u32 ports; /* both, as they lie in the header (of an ICMP error: turned round) */
	__u16 ip_len; /* of the whole IP packet, its header included, bytes; the frame may be longer (padding) */
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 tcp_flags; /* 0 for UDP and ICMP errors */
	__u8 tos; /* type of service, or traffic class */
	__u8 ttl; /* or hop limit */
};

/* Offsets from the start of the frame. There are neither options nor extension headers in a PARSED_FLOW. */
#define OFF_L3		14 /* sizeof(struct ethhdr) */
#define OFF_L4_V4	34
#define OFF_L4_V6	54
#define OFF_QUOTE_V4	42 /* quoted IP header of an ICMP error */
#define OFF_QUOTE_V6	62
#define OFF_QUOTE_L4_V4 62 /* its first 8 bytes of TCP or UDP */
#define OFF_QUOTE_L4_V6 102

/*
 * The Ethernet header. Returns the protocol in network order, 0 for what no balancer touches (multicast, broadcast),
 * -1 if truncated. VLAN tags are not looked behind: such frames are of the tag's protocol, thus not ours.
 */
static __always_inline int parse_eth(struct cursor *c)
{
	struct ethhdr *eth = cursor_take(c, sizeof(*eth));

	if (!eth)
		return -1;
	if (eth->h_dest[0] & 1)
		return 0;
	return eth->h_proto;
}

/* The ports, and for TCP the flags. */
static __always_inline enum parsed parse_l4(struct cursor *c, struct packet *p, __u32 payload)
{
	p->tcp_flags = 0;
	if (p->proto == IPPROTO_TCP) {
		struct tcphdr *tcp = cursor_take(c, sizeof(*tcp));

		if (!tcp || payload < sizeof(*tcp))
			return PARSED_MALFORMED;
		p->tcp_flags = ((__u8 *)tcp)[13];
		p->ports = *(__u32 *)tcp;
	} else {
		struct udphdr *udp = cursor_take(c, sizeof(*udp));

		if (!udp || payload < sizeof(*udp))
			return PARSED_MALFORMED;
		p->ports = *(__u32 *)udp;
	}
	p->sport = (__be16)p->ports;
	p->dport = (__be16)(p->ports >> 16);
	return PARSED_FLOW;
}

/* The first 8 bytes of a quoted TCP or UDP header, turned round. */
static __always_inline enum parsed parse_quoted_l4(struct cursor *c, struct packet *p)
{
	__be16 *port = cursor_take(c, 8);

	if (!port)
		return PARSED_MALFORMED;
	p->sport = port[1];
	p->dport = port[0];
	p->ports = (__u32)p->dport << 16 | p->sport;
	p->tcp_flags = 0;
	return PARSED_ICMP_ERROR;
}

/*
 * An ICMP message, len bytes. Errors about TCP and UDP packets that `dst` sent are PARSED_ICMP_ERROR; all other
 * messages are for the kernel.
 */
static __always_inline enum parsed parse_icmp4(struct cursor *c, struct packet *p, __u32 len)
{
	struct icmphdr *icmp = cursor_take(c, sizeof(*icmp));
	struct iphdr *quoted;

	if (!icmp || len < sizeof(*icmp))
		return PARSED_MALFORMED;
	if (icmp->type != ICMP_DEST_UNREACH && icmp->type != ICMP_TIME_EXCEEDED && icmp->type != ICMP_PARAMETERPROB)
		return PARSED_PASS;
	quoted = cursor_take(c, sizeof(*quoted));
	if (!quoted || len < sizeof(*icmp) + sizeof(*quoted) + 8)
		return PARSED_MALFORMED;
	if (quoted->version != 4 || quoted->ihl != 5 || quoted->saddr != p->dst[0] ||
	    (quoted->protocol != IPPROTO_TCP && quoted->protocol != IPPROTO_UDP) ||
	    (quoted->frag_off & bpf_htons(0x1fff))) /* a later fragment has no ports */
		return PARSED_PASS;
	p->src[0] = quoted->daddr;
	p->proto = quoted->protocol;
	return parse_quoted_l4(c, p);
}

/* Like parse_icmp4. */
static __always_inline enum parsed parse_icmp6(struct cursor *c, struct packet *p, __u32 len)
{
	struct icmp6hdr *icmp = cursor_take(c, sizeof(*icmp));
	struct ipv6hdr *quoted;

	if (!icmp || len < sizeof(*icmp))
		return PARSED_MALFORMED;
	if (icmp->icmp6_type < ICMPV6_DEST_UNREACH || icmp->icmp6_type > ICMPV6_PARAMPROB)
		return PARSED_PASS;
	quoted = cursor_take(c, sizeof(*quoted));
	if (!quoted || len < sizeof(*icmp) + sizeof(*quoted) + 8)
		return PARSED_MALFORMED;
	if (quoted->version != 6 || (quoted->nexthdr != IPPROTO_TCP && quoted->nexthdr != IPPROTO_UDP))
		return PARSED_PASS;
	for (int i = 0; i < 4; i++) {
		if (quoted->saddr.s6_addr32[i] != p->dst[i])
			return PARSED_PASS;
		p->src[i] = quoted->daddr.s6_addr32[i];
	}
	p->proto = quoted->nexthdr;
	return parse_quoted_l4(c, p);
}

/*
 * An IPv4 packet; the cursor stands behind the Ethernet header and `room` bytes of frame follow (in skbs more than
 * the cursor can reach).
 */
static __always_inline enum parsed parse_ipv4(struct cursor *c, __u32 room, struct packet *p)
{
	struct iphdr *ip = cursor_take(c, sizeof(*ip));
	__u32 len;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return PARSED_MALFORMED;
	len = bpf_ntohs(ip->tot_len);
	if (len < sizeof(*ip) || len > room)
		return PARSED_MALFORMED;
	if (ip->frag_off & bpf_htons(0x3fff)) /* more fragments, or an offset */
		return PARSED_FRAGMENT;
	if (ip->ihl > 5)
		return PARSED_OPTIONS;
	p->ip_len = len;
	p->tos = ip->tos;
	p->ttl = ip->ttl;
	p->proto = ip->protocol;
	p->src[0] = ip->saddr;
	p->dst[0] = ip->daddr;
	len -= sizeof(*ip);
	if (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP)
		return parse_l4(c, p, len);
	if (p->proto == IPPROTO_ICMP)
		return parse_icmp4(c, p, len);
	return PARSED_PASS;
}

/* Like parse_ipv4. */
static __always_inline enum parsed parse_ipv6(struct cursor *c, __u32 room, struct packet *p)
{
	struct ipv6hdr *ip = cursor_take(c, sizeof(*ip));
	__u32 len;

	if (!ip || ip->version != 6)
		return PARSED_MALFORMED;
	len = bpf_ntohs(ip->payload_len);
	if (len + sizeof(*ip) > room || len + sizeof(*ip) > 0xffff)
		return PARSED_MALFORMED;
	p->ip_len = len + sizeof(*ip);
	p->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	p->ttl = ip->hop_limit;
	p->proto = ip->nexthdr;
	for (int i = 0; i < 4; i++) {
		p->src[i] = ip->saddr.s6_addr32[i];
		p->dst[i] = ip->daddr.s6_addr32[i];
	}
	switch (p->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return parse_l4(c, p, len);
	case IPPROTO_ICMPV6:
		return parse_icmp6(c, p, len);
	case IPPROTO_FRAGMENT:
		return PARSED_FRAGMENT;
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
	case IPPROTO_MH:
		return PARSED_OPTIONS;
	}
	return PARSED_PASS;
}

#endif
