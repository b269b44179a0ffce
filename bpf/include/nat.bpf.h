/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Network address translation for xdp_nat and tc_nat: everything that both do to a packet between (data, data_end).
 * The hooks add only how a packet is taken in and sent off. Includes its maps and knobs, so include it once.
 *
 * One connection has two entries, one for each direction, keyed by the 5-tuple that packets of that direction carry
 * when they come in. An entry says what to write: in the direction of the real, over the destination; in the direction
 * of the client, over the source. Entries of one connection find each other without pointers, since the key of one can
 * be computed from the key and value of the other (nat_peer).
 */
#ifndef KXLAB_NAT_BPF_H
#define KXLAB_NAT_BPF_H

#include "hash.bpf.h"
#include "natsum.bpf.h"
#include "parse.bpf.h"
#include "real.bpf.h"
#include "ring.bpf.h"
#include "stats.bpf.h"
#include "vip.bpf.h"

#ifndef AF_INET
#define AF_INET	 2
#define AF_INET6 10
#endif

const volatile struct lb_config cfg;
const volatile __u32 flow_entries = 1 << 20; /* of each family's table; two a connection. Go sizes the maps by it */
const volatile __u32 udp_idle_sec = 30; /* a UDP flow silent for longer is balanced anew */

#define NAT_TICK_SHIFT 20 /* ticks of 2^20 ns, about 1 ms: 32 bits of them wrap after 52 days */
#define NAT_TOUCH      1000 /* ticks between two refreshes of a connection's entries */
#define NAT_TRIES      16 /* ring slots tried for a new connection */

/* What shall be done with a packet. */
enum nat_fate {
	NAT_PASS, /* leave it to the kernel */
	NAT_DROP,
	NAT_SEND, /* rewritten, with new MAC addresses: send it by nat_pkt.ifindex */
};

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

/* Value of both tables, cut off before addr6 for IPv4. Races are tolerable: bits are only set, times only refreshed. */
struct nat_flow {
	__u32 seen; /* tick of the last refresh */
	__u16 real; /* index into reals */
	__u8 dir; /* enum nat_dir */
	__u8 state; /* NAT_FIN_*, NAT_RST */
	__be32 addr; /* what to write */
	__be16 port;
	__u16 pad;
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

/* A packet on its way through. */
struct nat_pkt {
	void *ctx; /* of the hook, for the route look-up */
	void *data;
	void *data_end;
	__u32 len; /* of the whole frame, which may end behind data_end */
	__u32 ifindex; /* the link it came in by, then the link it leaves by */
};

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

static __always_inline struct lb_vip *nat_vip(const struct packet *pkt, const bool v6)
{
	if (v6)
		return vip6_find(pkt->dst, pkt->dport, pkt->proto);
	return vip4_find(pkt->dst[0], pkt->dport, pkt->proto);
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
	back->pad = 0;
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
	if (a->addr != b->addr || a->port != b->port || a->dir != b->dir)
		return false;
	return !v6 || (a->addr6[0] == b->addr6[0] && a->addr6[1] == b->addr6[1] && a->addr6[2] == b->addr6[2]);
}

/*
 * Refreshes both entries of a connection, so that one direction that is silent does not fall out of the table while
 * the other is in use, and puts the other back if it did. At most once a NAT_TOUCH and when the state changes, so the
 * second look-up and the writes to shared cache lines cost nothing in the middle of a stream.
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
		if (other->state != back.state)
			other->state = back.state;
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

/* Is the real still what the entry says, and there? */
static __always_inline bool nat_real_is(const struct nat_flow *flow, const bool v6)
{
	struct lb_real *real = real_get(flow->real);

	if (!real || (real->flags & LB_REAL_DOWN) || real->port != flow->port)
		return false;
	if (v6)
		return real->addr[3] == flow->addr && real->addr[0] == flow->addr6[0] &&
		       real->addr[1] == flow->addr6[1] && real->addr[2] == flow->addr6[2];
	return real->addr[0] == flow->addr;
}

/* Must a packet that goes by this entry be balanced anew? */
static __always_inline bool nat_stale(const struct nat_flow *flow, const struct packet *pkt, const bool v6)
{
	if (!nat_real_is(flow, v6))
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
	__u64 hash = v6 ? hash_flow6(cfg.seed, pkt, vip->id) : hash_flow4(cfg.seed, pkt, vip->id);
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
		flow->port = real->port;
		flow->addr = real->addr[v6 ? 3 : 0];
		if (v6)
			__builtin_memcpy(flow->addr6, real->addr, 12);
		if (pkt->tcp_flags & TCP_RST)
			return 0; /* the end of a connection that nobody remembers: passed on, not entered */
		nat_peer(key, flow, &peer, &back, v6);
		if (nat_update(&peer, &back, v6, BPF_NOEXIST)) {
			other = nat_lookup(&peer, v6);
			if (other && i < NAT_TRIES - 1 && !nat_same_target(other, &back, v6) &&
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

/* Asks the kernel's routing table where the packet goes, and sets MAC addresses and link. False: it does not know. */
static __always_inline bool nat_route(struct nat_pkt *p, struct bpf_fib_lookup *fib)
{
	struct ethhdr *eth = p->data;

	fib->ifindex = p->ifindex;
	if (bpf_fib_lookup(p->ctx, fib, sizeof(*fib), 0) != BPF_FIB_LKUP_RET_SUCCESS) {
		stat_count(LB_STAT_DROP_NOROUTE);
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

/* TCP or UDP, parsed. */
static __always_inline int nat_transport_in(struct nat_pkt *p, const struct packet *pkt, const bool v6)
{
	void *l3 = p->data + OFF_L3, *l4 = p->data + (v6 ? OFF_L4_V6 : OFF_L4_V4);
	struct nat_flow *flow, fresh = {};
	struct lb_vip *vip = NULL;
	struct ipv6hdr *ip6 = l3;
	struct nat_key key = {};
	struct iphdr *ip = l3;
	__be16 *port = l4;
	__sum16 *check;
	__be32 *addr;
	__u64 sum;
	__u8 ends;
	bool udp;

	nat_key_of(&key, pkt, v6);
	flow = nat_lookup(&key, v6);
	if (!flow || (flow->dir == NAT_TO_REAL && nat_stale(flow, pkt, v6))) {
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
			flow->state |= ends;
		if (ends || nat_now() - flow->seen > NAT_TOUCH)
			v6 ? nat_touch6(&key, flow) : nat_touch4(&key, flow);
	}

	udp = pkt->proto == IPPROTO_UDP;
	check = l4 + (udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	if ((void *)(check + 1) > p->data_end)
		return NAT_PASS; /* for the verifier: it was parsed */
	if (flow->dir == NAT_TO_REAL) {
		stat_count(LB_STAT_PACKETS);
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
	if (!v6 && (qip->frag_off & bpf_htons(0x1fff)))
		return NAT_PASS; /* no ports there */
	nat_key_of(&key, pkt, v6);
	flow = nat_lookup(&key, v6);
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
 * come to nothing. One extension header is looked behind.
 */
static __noinline int nat_refuse(struct nat_pkt *p, struct packet *pkt, __u32 why, bool v6)
{
	void *l3 = p->data + OFF_L3;
	struct nat_key key = {};
	struct nat_flow *flow;
	__u32 skip;
	__be16 *port;
	bool ours;

	if (v6) {
		struct ipv6hdr *ip6 = l3;
		__u8 *ext = (void *)(ip6 + 1);

		if ((void *)(ip6 + 1) > p->data_end || ip6->version != 6)
			return NAT_PASS;
		pkt->proto = ip6->nexthdr;
		skip = 0;
		if (why != LB_STAT_DROP_MALFORMED) {
			if ((void *)(ext + 8) > p->data_end)
				return NAT_PASS;
			pkt->proto = ext[0];
			skip = (ext[1] + 1) * 8;
			if (ip6->nexthdr == IPPROTO_FRAGMENT) {
				if (*(__be16 *)(ext + 2) & bpf_htons(0xfff8))
					return NAT_PASS;
				skip = 8;
			}
		}
		port = (void *)(ext + (skip & 0xfff));
		__builtin_memcpy(pkt->src, &ip6->saddr, 16);
		__builtin_memcpy(pkt->dst, &ip6->daddr, 16);
	} else {
		struct iphdr *ip = l3;

		if ((void *)(ip + 1) > p->data_end || ip->version != 4 || ip->ihl < 5 ||
		    (ip->frag_off & bpf_htons(0x1fff)))
			return NAT_PASS;
		port = l3 + ip->ihl * 4;
		pkt->proto = ip->protocol;
		pkt->src[0] = ip->saddr;
		pkt->dst[0] = ip->daddr;
	}
	if ((void *)(port + 2) > p->data_end || (pkt->proto != IPPROTO_TCP && pkt->proto != IPPROTO_UDP))
		return NAT_PASS;
	pkt->sport = port[0];
	pkt->dport = port[1];
	if (v6) {
		nat_key_of(&key, pkt, true);
		flow = nat_lookup(&key, true);
		ours = flow || nat_vip(pkt, true);
	} else {
		nat_key_of(&key, pkt, false);
		flow = nat_lookup(&key, false);
		ours = flow || nat_vip(pkt, false);
	}
	if (!ours)
		return NAT_PASS;
	stat_count(why);
	return NAT_DROP;
}

/* Frames for another station, which a bridge floods, are not ours. */
static __always_inline bool nat_for_us(const struct ethhdr *eth)
{
	return *(const __u32 *)eth->h_dest == *(const volatile __u32 *)cfg.mac &&
	       *(const __u16 *)(eth->h_dest + 4) == *(const volatile __u16 *)(cfg.mac + 4);
}

/* One packet. Tells the hook what to do with it. */
static __always_inline int nat_packet(struct nat_pkt *p)
{
	struct cursor c = {.pos = p->data, .end = p->data_end};
	int proto = parse_eth(&c);
	struct packet pkt = {};
	int fate = NAT_PASS;
	enum parsed parsed;

	if (proto <= 0 || !nat_for_us(p->data)) {
		fate = NAT_PASS;
	} else if (proto == bpf_htons(ETH_P_IP)) {
		parsed = parse_ipv4(&c, p->len - OFF_L3, &pkt);
		if (parsed == PARSED_FLOW)
			fate = nat_transport4(p, &pkt);
		else if (parsed == PARSED_ICMP_ERROR)
			fate = nat_error4(p, &pkt);
		else if (parsed != PARSED_PASS)
			fate = nat_refuse(p, &pkt, stat_of_parsed(parsed), false);
	} else if (proto == bpf_htons(ETH_P_IPV6)) {
		parsed = parse_ipv6(&c, p->len - OFF_L3, &pkt);
		if (parsed == PARSED_FLOW)
			fate = nat_transport6(p, &pkt);
		else if (parsed == PARSED_ICMP_ERROR)
			fate = nat_error6(p, &pkt);
		else if (parsed != PARSED_PASS)
			fate = nat_refuse(p, &pkt, stat_of_parsed(parsed), true);
	}
	if (fate == NAT_PASS)
		stat_count(LB_STAT_PASS);
	return fate;
}

#endif
