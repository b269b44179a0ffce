/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The connections that network address translation knows: its tables, keys and values, and what keeps them alive or ends
 * them. It has maps and knobs, so a program has it once. The map generations tells whether an entry's service is still
 * there, without a lookup of the service.
 *
 * One connection has two entries, one for each direction, keyed by the 5-tuple that packets of that direction carry
 * when they come in. An entry says what to write: in the direction of the real, over the destination; in the direction
 * of the client, over the source. Entries of one connection find each other without pointers, since the key of one can
 * be computed from the key and value of the other (nat_peer).
 */
#ifndef KXLAB_NATFLOW_BPF_H
#define KXLAB_NATFLOW_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include "lb.h"
#include "member.bpf.h"
#include "parse.bpf.h"

const volatile __u32 flow_entries = 1 << 20; /* of each family's table; two a connection. Go sizes the maps by it */
const volatile __u32 udp_idle_sec = 30; /* a UDP flow silent for longer is balanced anew */

#define NAT_TICK_SHIFT 20 /* ticks of 2^20 ns, about 1 ms: 32 bits of them wrap after 52 days */
#define NAT_TOUCH      1000 /* ticks between two refreshes of a connection's entries */

enum nat_dir {
	NAT_TO_REAL = 1, /* write over the destination */
	NAT_TO_CLIENT, /* write over the source */
};

/* Bits of nat_flow.state, kept in both entries so that either tells whether the connection is over. */
#define NAT_FIN_REAL   1 /* a FIN was seen on the way to the real */
#define NAT_FIN_CLIENT 2 /* on the way to the client */
#define NAT_FIN	       (NAT_FIN_REAL | NAT_FIN_CLIENT)
#define NAT_RST	       4 /* a RST was seen on either way */

/*
 * Key of both tables. IPv6 has the last 32 bits of its addresses in src and dst and the rest behind, so that the key of
 * an IPv4 flow is the first 16 bytes and both families share the code.
 */
struct nat_key {
	__be32 src;
	__be32 dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
	__be32 src6[3];
	__be32 dst6[3];
};

/*
 * Value of both tables, cut off before addr6 for IPv4. Races are tolerable: times are only refreshed, and bits only set,
 * by atomic instructions, since both directions of a connection set them, each on its CPU.
 */
struct nat_flow {
	__u32 seen; /* tick of the last refresh */
	__u32 state; /* NAT_FIN_*, NAT_RST */
	__u32 generation; /* of the service */
	__be32 addr; /* what to write */
	__be16 port;
	__u16 real; /* index into reals */
	__u32 dir; /* enum nat_dir */
	__be32 addr6[3];
	__u32 pad6;
};

#define NAT_KEY4_SIZE  __builtin_offsetof(struct nat_key, src6)
#define NAT_FLOW4_SIZE __builtin_offsetof(struct nat_flow, addr6)

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 20);
	__uint(key_size, NAT_KEY4_SIZE);
	__uint(value_size, NAT_FLOW4_SIZE);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 20);
	__type(key, struct nat_key);
	__type(value, struct nat_flow);
} flows_v6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_GENERATIONS);
	__type(key, __u32);
	__type(value, struct lb_generation);
} generations SEC(".maps");

/* The key of a packet's own direction; of an ICMP error, that of the packet turned round that it quotes. */
static __always_inline void nat_key_of(struct nat_key *key, const struct packet *pkt, const bool v6)
{
	key->src = pkt->src[v6 ? 3 : 0];
	key->dst = pkt->dst[v6 ? 3 : 0];
	key->sport = pkt->sport;
	key->dport = pkt->dport;
	key->proto = pkt->proto;
	if (v6) {
		__builtin_memcpy(key->src6, pkt->src, 12);
		__builtin_memcpy(key->dst6, pkt->dst, 12);
	}
}

static __always_inline __u32 nat_now(void)
{
	return bpf_ktime_get_coarse_ns() >> NAT_TICK_SHIFT;
}

static __always_inline struct nat_flow *nat_lookup(struct nat_key *key, const bool v6)
{
	if (v6)
		return bpf_map_lookup_elem(&flows_v6, key);
	return bpf_map_lookup_elem(&flows, key);
}

/* The entry's service; NULL if it was deleted, whether or not it was added again. */
static __always_inline struct lb_generation *nat_service(const struct nat_flow *flow)
{
	__u32 index = flow->generation & (LB_GENERATIONS - 1);
	struct lb_generation *g = bpf_map_lookup_elem(&generations, &index);

	return g && g->generation == flow->generation ? g : NULL;
}

/* The entry for a key, if its service is still there. */
static __always_inline struct nat_flow *nat_find(struct nat_key *key, const bool v6)
{
	struct nat_flow *flow = nat_lookup(key, v6);

	return flow && nat_service(flow) ? flow : NULL;
}

static __always_inline long nat_update(struct nat_key *key, struct nat_flow *flow, const bool v6, __u64 how)
{
	if (v6)
		return bpf_map_update_elem(&flows_v6, key, flow, how);
	return bpf_map_update_elem(&flows, key, flow, how);
}

/* Turns (key, flow), one direction of a connection, into (peer, back), the other. */
static __always_inline void nat_peer(const struct nat_key *key, const struct nat_flow *flow, struct nat_key *peer,
				     struct nat_flow *back, const bool v6)
{
	peer->proto = key->proto;
	__builtin_memset(peer->pad, 0, sizeof(peer->pad));
	back->seen = flow->seen;
	back->real = flow->real;
	back->state = flow->state;
	back->generation = flow->generation;
	if (flow->dir == NAT_TO_REAL) {
		peer->src = flow->addr;
		peer->sport = flow->port;
		peer->dst = key->src;
		peer->dport = key->sport;
		back->addr = key->dst;
		back->port = key->dport;
		back->dir = NAT_TO_CLIENT;
		if (v6) {
			__builtin_memcpy(peer->src6, flow->addr6, 12);
			__builtin_memcpy(peer->dst6, key->src6, 12);
			__builtin_memcpy(back->addr6, key->dst6, 12);
			back->pad6 = 0;
		}
	} else {
		peer->src = key->dst;
		peer->sport = key->dport;
		peer->dst = flow->addr;
		peer->dport = flow->port;
		back->addr = key->src;
		back->port = key->sport;
		back->dir = NAT_TO_REAL;
		if (v6) {
			__builtin_memcpy(peer->src6, key->dst6, 12);
			__builtin_memcpy(peer->dst6, flow->addr6, 12);
			__builtin_memcpy(back->addr6, key->src6, 12);
			back->pad6 = 0;
		}
	}
}

static __always_inline bool nat_same_target(const struct nat_flow *a, const struct nat_flow *b, const bool v6)
{
	if (a->addr != b->addr || a->port != b->port || a->dir != b->dir || a->generation != b->generation)
		return false;
	return !v6 || (a->addr6[0] == b->addr6[0] && a->addr6[1] == b->addr6[1] && a->addr6[2] == b->addr6[2]);
}

/*
 * Refreshes both entries of a connection, so that one direction that is silent does not fall out of the table while
 * the other is in use, and puts the other back if it did. At most once a NAT_TOUCH and when the state changes, so the
 * second lookup and the writes to shared cache lines cost nothing in the middle of a stream.
 */
static __always_inline int nat_touch(struct nat_key *key, struct nat_flow *flow, const bool v6)
{
	struct nat_flow back = {}, *other;
	struct nat_key peer = {};

	flow->seen = nat_now();
	nat_peer(key, flow, &peer, &back, v6);
	other = nat_lookup(&peer, v6);
	if (!other) {
		nat_update(&peer, &back, v6, BPF_NOEXIST);
	} else if (nat_same_target(other, &back, v6)) {
		other->seen = back.seen;
		if (back.state & ~other->state)
			__sync_fetch_and_or(&other->state, back.state);
	}
	return 0;
}

static __noinline int nat_touch4(struct nat_key *key, struct nat_flow *flow)
{
	return nat_touch(key, flow, false);
}

static __noinline int nat_touch6(struct nat_key *key, struct nat_flow *flow)
{
	return nat_touch(key, flow, true);
}

/* Has a UDP flow been silent for too long? */
static __always_inline bool nat_idle(const struct nat_flow *flow)
{
	return nat_now() - flow->seen > (udp_idle_sec * 1000000000ULL) >> NAT_TICK_SHIFT;
}

/* Is the connection over, so that its 5-tuple may be given to another real? */
static __always_inline bool nat_over(const struct nat_flow *flow, bool udp)
{
	if (udp)
		return nat_idle(flow);
	return (flow->state & NAT_RST) || (flow->state & NAT_FIN) == NAT_FIN;
}

#endif
