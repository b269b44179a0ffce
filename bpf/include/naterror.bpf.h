/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Translation of packets without ports in the usual place: ICMP errors are translated together with the packet that they quote;
 * fragments, options and malformed packets are refused.
 */
#ifndef KXLAB_NATERROR_BPF_H
#define KXLAB_NATERROR_BPF_H

#include "natflow.bpf.h"
#include "natopen.bpf.h"
#include "natsend.bpf.h"
#include "natsum.bpf.h"
#include "parse.bpf.h"
#include "refuse.bpf.h"
#include "stats.bpf.h"

/*
 * An ICMP error that quotes a packet we translated. The quoted packet went the other way, so what the error's own
 * direction writes is found under the quoted tuple turned round. It goes into the outer header and, on the opposite
 * side, into the quoted one: the receiver of the error must recognise what it had sent.
 */
static __always_inline int nat_error_in(struct nat_pkt *p, const struct packet *pkt, const bool v6)
{
	void *l3 = p->data + OFF_L3, *quote = p->data + (v6 ? OFF_QUOTE_V6 : OFF_QUOTE_V4);
	void *l4 = p->data + (v6 ? OFF_QUOTE_L4_V6 : OFF_QUOTE_L4_V4);
	__u32 reach = OFF_L3 + pkt->ip_len - (v6 ? OFF_QUOTE_L4_V6 : OFF_QUOTE_L4_V4); /* quoted from l4 on, bytes */
	struct ipv6hdr *ip6 = l3, *qip6 = quote;
	struct iphdr *ip = l3, *qip = quote;
	__be32 *outer, *inner;
	struct nat_flow *flow;
	struct nat_key key = {};
	__sum16 *check = NULL, old;
	__be16 *port = l4;
	__u64 outsum, sum, icmp;

	if (l4 + 8 > p->data_end)
		return NAT_PASS; /* for the verifier: it was parsed */
	nat_key_of(&key, pkt, v6);
	flow = nat_find(&key, v6);
	if (!flow || pkt->ttl <= 1)
		return NAT_PASS;

	if (flow->dir == NAT_TO_REAL) {
		outer = v6 ? (__be32 *)&ip6->daddr : &ip->daddr;
		inner = v6 ? (__be32 *)&qip6->saddr : &qip->saddr;
	} else {
		outer = v6 ? (__be32 *)&ip6->saddr : &ip->saddr;
		inner = v6 ? (__be32 *)&qip6->daddr : &qip->daddr;
		port++;
	}
	outsum = nat_put_addr(outer, flow, v6);
	sum = nat_put_addr(inner, flow, v6);
	icmp = sum;
	if (!v6) {
		old = qip->check;
		nat_sum_apply(&qip->check, sum);
		icmp = nat_diff16(icmp, old, qip->check);
		nat_sum_apply(&ip->check, outsum);
	} else {
		icmp += outsum; /* ICMPv6 sums over the addresses too */
	}
	old = *port;
	sum = nat_put16(sum, port, flow->port);
	icmp = nat_diff16(icmp, old, flow->port);

	/* The quoted transport checksum, if the quotation reaches so far. */
	if (pkt->proto == IPPROTO_UDP)
		check = l4 + offsetof(struct udphdr, check);
	else if (reach >= 18 && l4 + 18 <= p->data_end)
		check = l4 + offsetof(struct tcphdr, check);
	if (check) {
		old = *check;
		if (pkt->proto == IPPROTO_UDP)
			nat_sum_apply_udp(check, sum);
		else
			nat_sum_apply(check, sum);
		icmp = nat_diff16(icmp, old, *check);
	}
	nat_sum_apply(p->data + (v6 ? OFF_L4_V6 : OFF_L4_V4) + 2, icmp);
	stat_count(LB_STAT_ICMP);
	return nat_forward(p, l3, pkt, v6);
}

static __noinline int nat_error4(struct nat_pkt *p, const struct packet *pkt)
{
	return nat_error_in(p, pkt, false);
}

static __noinline int nat_error6(struct nat_pkt *p, const struct packet *pkt)
{
	return nat_error_in(p, pkt, true);
}

/*
 * Fragments, options, extension headers and what is malformed are not translated. If they are recognisably of a
 * connection or for a service, they are dropped and counted under `why`: the kernel would send them on with the wrong
 * address. Else they are the kernel's. Later fragments have no ports and are never recognised; without the first they
 * come to nothing.
 */
static __noinline int nat_refuse(struct nat_pkt *p, struct packet *pkt, enum parsed why, bool v6)
{
	struct nat_key key = {};
	bool ours;

	if (!refused_flow(p->data + OFF_L3, p->data_end, pkt, why, v6))
		return NAT_PASS;
	if (v6) {
		nat_key_of(&key, pkt, true);
		ours = nat_find(&key, true) || nat_vip(pkt, true);
	} else {
		nat_key_of(&key, pkt, false);
		ours = nat_find(&key, false) || nat_vip(pkt, false);
	}
	if (!ours)
		return NAT_PASS;
	stat_count(stat_of_parsed(why));
	return NAT_DROP;
}

#endif
