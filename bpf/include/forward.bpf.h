/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The path of a packet through a balancer that does not translate: parse, find the service, choose the real, and send, through a
 * tunnel (ipip) or to the real's MAC address (dsr). Works on the hook that was included first. The program passes the function
 * that chooses the real, track_all or track_marked.
 */
#ifndef KXLAB_FORWARD_BPF_H
#define KXLAB_FORWARD_BPF_H

#include "config.bpf.h"
#include "encap.bpf.h"
#include "hash.bpf.h"
#include "lb.h"
#include "parse.bpf.h"
#include "refuse.bpf.h"
#include "stats.bpf.h"
#include "tally.bpf.h"
#include "toobig.bpf.h"
#include "track.bpf.h"
#include "vip.bpf.h"
#include "vipcache.bpf.h"

/* The way of a packet to its real. */
enum forward {
	FORWARD_TUNNEL,
	FORWARD_MAC,
};

typedef struct lb_real *(*track_fn)(const struct lb_vip *vip, const struct packet *p, __u64 hash, enum track mode,
				    __u32 *chosen);

static __always_inline int forward_pass(void)
{
	stat_count(LB_STAT_PASS);
	return HOOK_PASS;
}

static __always_inline int forward_drop(__u32 stat)
{
	stat_count(stat);
	return HOOK_DROP;
}

/* The verdict on packets that the parser refused or left alone: the kernel gets those that are not for a service. */
static __always_inline int forward_refused(hook_ctx *ctx, struct packet *p, enum parsed parsed, bool v6)
{
	if (parsed == PARSED_PASS || !refused_flow(hook_data(ctx) + OFF_L3, hook_end(ctx), p, parsed, v6))
		return forward_pass();
	if (v6 ? !vip6_find(p->dst, p->dport, p->proto) : !vip4_find(p->dst[0], p->dport, p->proto))
		return forward_pass();
	return forward_drop(stat_of_parsed(parsed));
}

/* Send a packet of family inner (4 or 6, constant) to its real. */
static __always_inline int forward_to(hook_ctx *ctx, const struct packet *p, enum parsed parsed, struct lb_real *real,
				      __u64 hash, int inner, enum forward how)
{
	if (!real)
		return forward_drop(LB_STAT_DROP_NOREAL);
	if (how == FORWARD_MAC) {
		struct ethhdr *eth = hook_data(ctx);

		if ((void *)(eth + 1) > hook_end(ctx))
			return forward_drop(LB_STAT_DROP_MALFORMED);
		eth_write(eth, real->mac, cfg.mac, inner == 6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP));
	} else if (real->flags & LB_REAL_V6) {
		if (encap_ipv6(ctx, &cfg, p, real, inner, hash))
			return forward_drop(LB_STAT_DROP_MALFORMED);
	} else {
		if (encap_ipv4(ctx, &cfg, p, real, inner))
			return forward_drop(LB_STAT_DROP_MALFORMED);
	}
	stat_count(LB_STAT_PACKETS);
	if (parsed == PARSED_ICMP_ERROR)
		stat_count(LB_STAT_ICMP);
	return hook_send(ctx, cfg.ifindex);
}

/*
 * A packet that is too long for the tunnel. An error must not be answered with an error (RFC 1122, 3.2.2), nor an IPv4
 * packet that may be fragmented with "fragmentation needed" (RFC 792): a program cannot make two packets of one, so
 * these are dropped.
 */
static __always_inline int forward_toobig(hook_ctx *ctx, const struct packet *p, enum parsed parsed, int inner)
{
	struct iphdr *ip = hook_data(ctx) + OFF_L3;

	if (parsed == PARSED_ICMP_ERROR || (void *)(ip + 1) > hook_end(ctx) ||
	    (inner == 4 && !(ip->frag_off & bpf_htons(0x4000))))
		return forward_drop(LB_STAT_DROP_TOOLONG);
	if (inner == 6 ? toobig_ipv6(ctx, &cfg, p) : toobig_ipv4(ctx, &cfg, p))
		return forward_drop(LB_STAT_DROP_MALFORMED);
	stat_count(LB_STAT_TOOBIG);
	return hook_send(ctx, cfg.ifindex);
}

static __always_inline int forward_ipv4(hook_ctx *ctx, struct cursor *c, track_fn choose, enum forward how)
{
	struct packet p;
	enum parsed parsed = parse_ipv4(c, hook_len(ctx) - OFF_L3, &p);
	struct lb_real *real;
	const struct lb_vip *vip;
	__u32 index;
	__u64 hash;

	if (parsed != PARSED_FLOW && parsed != PARSED_ICMP_ERROR)
		return forward_refused(ctx, &p, parsed, false);
	vip = vip4_cached(p.dst[0], p.dport, p.proto);
	if (!vip)
		return forward_pass();
	if (how == FORWARD_TUNNEL && p.ip_len > cfg.client_mtu)
		return forward_toobig(ctx, &p, parsed, 4);
	hash = hash_flow4(cfg.seed, &p);
	real = choose(vip, &p, hash, parsed == PARSED_ICMP_ERROR ? TRACK_ABOUT : TRACK_FLOW, &index);
	if (real)
		tally_count(vip->generation, index, p.ip_len);
	return forward_to(ctx, &p, parsed, real, hash, 4, how);
}

static __always_inline int forward_ipv6(hook_ctx *ctx, struct cursor *c, track_fn choose, enum forward how)
{
	struct packet p;
	enum parsed parsed = parse_ipv6(c, hook_len(ctx) - OFF_L3, &p);
	struct lb_real *real;
	const struct lb_vip *vip;
	__u32 index;
	__u64 hash;

	if (parsed != PARSED_FLOW && parsed != PARSED_ICMP_ERROR)
		return forward_refused(ctx, &p, parsed, true);
	vip = vip6_find(p.dst, p.dport, p.proto);
	if (!vip)
		return forward_pass();
	if (how == FORWARD_TUNNEL && p.ip_len > cfg.client_mtu)
		return forward_toobig(ctx, &p, parsed, 6);
	hash = hash_flow6(cfg.seed, &p);
	real = choose(vip, &p, hash, parsed == PARSED_ICMP_ERROR ? TRACK_ABOUT : TRACK_FLOW, &index);
	if (real)
		tally_count(vip->generation, index, p.ip_len);
	return forward_to(ctx, &p, parsed, real, hash, 6, how);
}

/* The whole program. choose and how are constants where it is called. */
static __always_inline int forward(hook_ctx *ctx, track_fn choose, enum forward how)
{
	struct ethhdr *eth;
	struct cursor c;
	int proto;

	hook_pull(ctx);
	c.pos = hook_data(ctx);
	c.end = hook_end(ctx);
	eth = c.pos;
	proto = parse_eth(&c);
	if (proto <= 0 || !is_for_us(eth))
		return forward_pass();
	if (proto == bpf_htons(ETH_P_IP))
		return forward_ipv4(ctx, &c, choose, how);
	if (proto == bpf_htons(ETH_P_IPV6))
		return forward_ipv6(ctx, &c, choose, how);
	return forward_pass();
}

#endif
