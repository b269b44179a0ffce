/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The choice of a real for a new connection, and the test whether a known connection keeps its real.
 */
#ifndef KXLAB_NATOPEN_BPF_H
#define KXLAB_NATOPEN_BPF_H

#include "config.bpf.h"
#include "hash.bpf.h"
#include "lb.h"
#include "member.bpf.h"
#include "natflow.bpf.h"
#include "parse.bpf.h"
#include "real.bpf.h"
#include "ring.bpf.h"
#include "vip.bpf.h"

#define NAT_TRIES 16 /* ring slots tried for a new connection */

static __always_inline struct lb_vip *nat_vip(const struct packet *pkt, const bool v6)
{
	if (v6)
		return vip6_find(pkt->dst, pkt->dport, pkt->proto);
	return vip4_find(pkt->dst[0], pkt->dport, pkt->proto);
}

/* Is the real still what the entry says, up, and a backend of the entry's service? */
static __always_inline bool nat_real_is(const struct nat_flow *flow, const struct lb_generation *service, const bool v6)
{
	struct lb_real *real = real_get(flow->real);

	if (member_removed(service->generation, service->flags, flow->real))
		return false;
	if (!real || (real->flags & LB_REAL_DOWN) || real->port != flow->port)
		return false;
	if (v6)
		return real->addr[3] == flow->addr && real->addr[0] == flow->addr6[0] &&
		       real->addr[1] == flow->addr6[1] && real->addr[2] == flow->addr6[2];
	return real->addr[0] == flow->addr;
}

/* Tells whether a packet of this entry must be balanced anew. */
static __always_inline bool nat_stale(const struct nat_flow *flow, const struct lb_generation *service,
				      const struct packet *pkt, const bool v6)
{
	if (!nat_real_is(flow, service, v6))
		return true;
	if (pkt->proto == IPPROTO_UDP)
		return nat_over(flow, true);
	return (pkt->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN && nat_over(flow, false);
}

/*
 * Chooses a real for a connection and enters both directions. The forward entry is left in *flow. A real:port has one
 * entry for each client:port, so two services on one real clash if one client uses one port for both: then the next
 * slot of the ring is taken, as long as there are other reals; the last try takes the entry from its owner.
 */
static __always_inline int nat_open(const struct packet *pkt, struct nat_key *key, struct lb_vip *vip,
				    struct nat_flow *flow, const bool v6)
{
	__u64 hash = v6 ? hash_flow6(cfg.seed, pkt) : hash_flow4(cfg.seed, pkt);
	struct nat_flow back = {}, *other;
	struct nat_key peer = {};
	struct lb_real *real;
	__u32 now = nat_now();
	int slot;

	for (int i = 0; i < NAT_TRIES; i++) {
		slot = ring_find(vip, i ? hash_end(hash + i) : hash);
		if (slot < 0)
			return -1;
		real = real_get(slot & LB_SLOT_REAL);
		if (!real || (real->flags & LB_REAL_DOWN) || !(real->flags & LB_REAL_V6) == v6)
			continue;
		flow->seen = now;
		flow->real = slot & LB_SLOT_REAL;
		flow->dir = NAT_TO_REAL;
		flow->state = 0;
		flow->generation = vip->generation;
		flow->port = real->port;
		flow->addr = real->addr[v6 ? 3 : 0];
		if (v6)
			__builtin_memcpy(flow->addr6, real->addr, 12);
		if (pkt->tcp_flags & TCP_RST)
			return 0; /* the end of an unknown connection: passed on, not entered */
		nat_peer(key, flow, &peer, &back, v6);
		if (nat_update(&peer, &back, v6, BPF_NOEXIST)) {
			other = nat_lookup(&peer, v6);
			if (other && i < NAT_TRIES - 1 && !nat_same_target(other, &back, v6) && nat_service(other) &&
			    !nat_over(other, key->proto == IPPROTO_UDP))
				continue;
			nat_update(&peer, &back, v6, BPF_ANY);
		}
		nat_update(key, flow, v6, BPF_ANY);
		return 0;
	}
	return -1;
}

static __noinline int nat_open4(const struct packet *pkt, struct nat_key *key, struct lb_vip *vip,
				struct nat_flow *flow)
{
	return nat_open(pkt, key, vip, flow, false);
}

static __noinline int nat_open6(const struct packet *pkt, struct nat_key *key, struct lb_vip *vip,
				struct nat_flow *flow)
{
	return nat_open(pkt, key, vip, flow, true);
}

#endif
