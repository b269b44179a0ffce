/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Network address translation for xdp_nat and tc_nat: all processing that both share, of a packet between (data, data_end). The
 * hooks only receive and send packets. natflow.bpf.h holds connections, natopen.bpf.h the choice of a real, natsend.bpf.h
 * rewriting and sending, naterror.bpf.h ICMP errors and refusals.
 */
#ifndef KXLAB_NAT_BPF_H
#define KXLAB_NAT_BPF_H

#include "config.bpf.h"
#include "naterror.bpf.h"
#include "natflow.bpf.h"
#include "natopen.bpf.h"
#include "natsend.bpf.h"
#include "natsum.bpf.h"
#include "parse.bpf.h"
#include "stats.bpf.h"
#include "tally.bpf.h"

/* TCP or UDP, parsed. */
static __always_inline int nat_transport_in(struct nat_pkt *p, const struct packet *pkt, const bool v6)
{
	void *l3 = p->data + OFF_L3, *l4 = p->data + (v6 ? OFF_L4_V6 : OFF_L4_V4);
	struct nat_flow *flow, fresh = {};
	struct lb_generation *service;
	struct lb_vip *vip = NULL;
	struct ipv6hdr *ip6 = l3;
	struct nat_key key = {};
	struct iphdr *ip = l3;
	__be16 *port = l4;
	__sum16 *check;
	__be32 *addr;
	__u64 sum;
	__u32 ends;
	bool udp;

	nat_key_of(&key, pkt, v6);
	flow = nat_lookup(&key, v6);
	service = flow ? nat_service(flow) : NULL;
	if (!service || (flow->dir == NAT_TO_REAL && nat_stale(flow, service, pkt, v6))) {
		vip = nat_vip(pkt, v6);
		if (!vip)
			return NAT_PASS; /* not ours, or no more */
	}
	if (pkt->ttl <= 1)
		return NAT_PASS; /* untranslated, so that the error which the kernel sends quotes what the sender sent */
	if (vip) {
		if (v6 ? nat_open6(pkt, &key, vip, &fresh) : nat_open4(pkt, &key, vip, &fresh)) {
			stat_count(LB_STAT_DROP_NOREAL);
			return NAT_DROP;
		}
		stat_count(LB_STAT_NEW);
		flow = &fresh;
	} else {
		ends = 0;
		if (pkt->tcp_flags & TCP_FIN)
			ends = flow->dir == NAT_TO_REAL ? NAT_FIN_REAL : NAT_FIN_CLIENT;
		if (pkt->tcp_flags & TCP_RST)
			ends |= NAT_RST;
		ends &= ~flow->state;
		if (ends)
			__sync_fetch_and_or(&flow->state, ends);
		if (ends || nat_now() - flow->seen > NAT_TOUCH)
			v6 ? nat_touch6(&key, flow) : nat_touch4(&key, flow);
	}

	udp = pkt->proto == IPPROTO_UDP;
	check = l4 + (udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	if ((void *)(check + 1) > p->data_end)
		return NAT_PASS; /* for the verifier: it was parsed */
	if (flow->dir == NAT_TO_REAL) {
		stat_count(LB_STAT_PACKETS);
		tally_count(flow->generation, flow->real, pkt->ip_len);
		addr = v6 ? (__be32 *)&ip6->daddr : &ip->daddr;
		port++;
	} else {
		stat_count(LB_STAT_RETURN);
		addr = v6 ? (__be32 *)&ip6->saddr : &ip->saddr;
	}
	sum = nat_put_addr(addr, flow, v6);
	if (!v6)
		nat_sum_apply(&ip->check, sum);
	sum = nat_put16(sum, port, flow->port);
	if (udp)
		nat_sum_apply_udp(check, sum);
	else
		nat_sum_apply(check, sum);
	return nat_forward(p, l3, pkt, v6);
}

/* Functions of their own for each family and kind of packet: the stack has room for one at a time. */
static __noinline int nat_transport4(struct nat_pkt *p, const struct packet *pkt)
{
	return nat_transport_in(p, pkt, false);
}

static __noinline int nat_transport6(struct nat_pkt *p, const struct packet *pkt)
{
	return nat_transport_in(p, pkt, true);
}

/* One packet. Tells the hook what to do with it. */
static __always_inline int nat_packet(struct nat_pkt *p)
{
	struct cursor c = {.pos = p->data, .end = p->data_end};
	int proto = parse_eth(&c);
	struct packet pkt = {};
	int fate = NAT_PASS;
	enum parsed parsed;

	if (proto <= 0 || !is_for_us(p->data)) {
		fate = NAT_PASS;
	} else if (proto == bpf_htons(ETH_P_IP)) {
		parsed = parse_ipv4(&c, p->len - OFF_L3, &pkt);
		if (parsed == PARSED_FLOW)
			fate = nat_transport4(p, &pkt);
		else if (parsed == PARSED_ICMP_ERROR)
			fate = nat_error4(p, &pkt);
		else if (parsed != PARSED_PASS)
			fate = nat_refuse(p, &pkt, parsed, false);
	} else if (proto == bpf_htons(ETH_P_IPV6)) {
		parsed = parse_ipv6(&c, p->len - OFF_L3, &pkt);
		if (parsed == PARSED_FLOW)
			fate = nat_transport6(p, &pkt);
		else if (parsed == PARSED_ICMP_ERROR)
			fate = nat_error6(p, &pkt);
		else if (parsed != PARSED_PASS)
			fate = nat_refuse(p, &pkt, parsed, true);
	}
	if (fate == NAT_PASS)
		stat_count(LB_STAT_PASS);
	return fate;
}

#endif
