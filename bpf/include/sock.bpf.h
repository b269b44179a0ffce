/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Translation of socket addresses for sock_connect: the choice of a real for a socket, and the service that a real
 * represents for a socket. The header defines maps and knobs, so a program includes it once.
 *
 * Addresses in the tables are 16 bytes, IPv4 as IPv4-mapped. An IPv6 socket may use IPv4, and then its hooks see either
 * form.
 *
 * Races: the hooks run in the caller's context and may preempt each other, so stat_count may lose a count. If two threads
 * send on one socket at once, each may choose a real; the entry that is written last stays.
 */
#ifndef KXLAB_SOCK_BPF_H
#define KXLAB_SOCK_BPF_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "member.bpf.h"
#include "real.bpf.h"
#include "ring.bpf.h"
#include "stats.bpf.h"
#include "vip.bpf.h"

/* Entries of each table; Go sizes the maps by it. */
const volatile __u32 flow_entries = 1 << 20;

#define SOCK_TRIES  32 /* ring slots drawn while reals are down: with half of them down, all fail once in 2^32 */
#define SOCK_ALLOW  1
#define SOCK_REFUSE 0
#define SOCK_MAPPED bpf_htonl(0xffff) /* third word of an IPv4-mapped address */

/* A socket and an address that it talks to, or thinks it does. */
struct sock_key {
	__u64 cookie;
	__be32 addr[4];
	__be16 port;
	__u16 pad[3];
};

struct sock_peer {
	__be32 addr[4];
	__be16 port;
	__u16 real; /* index into reals */
	__u32 generation; /* of the service */
};

/* (socket, real) to service: for getpeername and recvmsg. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 20);
	__type(key, struct sock_key);
	__type(value, struct sock_peer);
} flows SEC(".maps");

/* (socket, service) to real: for sendmsg. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 20);
	__type(key, struct sock_key);
	__type(value, struct sock_peer);
} flows_sticky SEC(".maps");

/* A real that is up and of the family, along the ring, into *to. */
static __always_inline bool sock_choose(const struct lb_vip *vip, struct sock_peer *to, bool v6)
{
	struct lb_real *real;
	int slot;

	for (int i = 0; i < SOCK_TRIES; i++) {
		/* ring_find scales the upper half of a 64-bit hash, so a random half is a random slot. */
		slot = ring_find(vip, (__u64)bpf_get_prandom_u32() << 32);
		if (slot < 0)
			return false;
		real = real_get(slot & LB_SLOT_REAL);
		if (!real || (real->flags & LB_REAL_DOWN) || !(real->flags & LB_REAL_V6) == v6)
			continue;
		if (v6) {
			__builtin_memcpy(to->addr, real->addr, 16);
		} else {
			to->addr[0] = 0;
			to->addr[1] = 0;
			to->addr[2] = SOCK_MAPPED;
			to->addr[3] = real->addr[0];
		}
		to->port = real->port;
		to->real = slot & LB_SLOT_REAL;
		to->generation = vip->generation;
		return true;
	}
	return false;
}

/* Is the service still the one that the socket sticks to a real of, and the real its backend, up, and the same? */
static __always_inline bool sock_still(const struct lb_vip *vip, const struct sock_peer *to)
{
	struct lb_real *real = real_get(to->real);

	if (to->generation != vip->generation || member_removed(vip->generation, vip->flags, to->real))
		return false;
	if (!real || (real->flags & LB_REAL_DOWN) || real->port != to->port)
		return false;
	if (!(real->flags & LB_REAL_V6))
		return to->addr[2] == SOCK_MAPPED && real->addr[0] == to->addr[3];
	return real->addr[0] == to->addr[0] && real->addr[1] == to->addr[1] && real->addr[2] == to->addr[2] &&
	       real->addr[3] == to->addr[3];
}

/*
 * The protocol of a socket as services have it: one byte. Numbers above 255 are the kernel's own, of which the last 8
 * bits mean nothing: no service has them, 0. (A socket of MPTCP, 262, comes here by the TCP socket below it.)
 */
static __always_inline __u8 sock_proto(struct bpf_sock_addr *ctx)
{
	__u32 proto = ctx->protocol;

	return proto <= 255 ? proto : 0;
}

/*
 * Is this the peer of a connected socket? A connected IPv6 socket with an IPv4 peer comes by sendmsg4 for each write,
 * with the peer's address as the kernel knows it: the real's.
 */
static __always_inline bool sock_is_peer(struct bpf_sock_addr *ctx, const struct sock_key *key)
{
	struct bpf_sock *sk = ctx->sk;

	return sk && sk->state == BPF_TCP_ESTABLISHED && key->addr[2] == SOCK_MAPPED && sk->dst_ip4 == key->addr[3] &&
	       sk->dst_port == key->port;
}

/* The socket talks to this address itself: what comes from there must not be taken for a service's any more. */
static __always_inline void sock_direct(struct bpf_sock_addr *ctx, struct sock_key *key, bool each)
{
	if (each && sock_is_peer(ctx, key))
		return;
	key->cookie = bpf_get_socket_cookie(ctx);
	if (bpf_map_lookup_elem(&flows, key)) /* hardly ever, and a look-up takes no lock */
		bpf_map_delete_elem(&flows, key);
}

/*
 * The real for a socket that names a service. vip may be NULL: then the address is no service's. Returns SOCK_ALLOW and
 * *chosen, whether *to is to be written, or SOCK_REFUSE.
 */
static __always_inline int sock_balance(struct bpf_sock_addr *ctx, struct lb_vip *vip, struct sock_key *key, bool each,
					bool v6, struct sock_peer *to, bool *chosen)
{
	struct sock_peer *known = NULL, service = {};
	struct sock_key back = {};

	*chosen = false;
	if (!vip) {
		sock_direct(ctx, key, each);
		stat_count(LB_STAT_PASS);
		return SOCK_ALLOW;
	}
	key->cookie = bpf_get_socket_cookie(ctx);
	if (each)
		known = bpf_map_lookup_elem(&flows_sticky, key);
	if (known && sock_still(vip, known)) {
		*to = *known;
	} else {
		if (!sock_choose(vip, to, v6)) {
			stat_count(LB_STAT_DROP_NOREAL);
			return SOCK_REFUSE;
		}
		if (each)
			bpf_map_update_elem(&flows_sticky, key, to, BPF_ANY);
		known = NULL;
		stat_count(LB_STAT_NEW);
	}
	stat_count(LB_STAT_PACKETS);
	*chosen = true;

	/* The service of the real. The real may stand for another one since this socket's last datagram to here. */
	back.cookie = key->cookie;
	__builtin_memcpy(back.addr, to->addr, 16);
	back.port = to->port;
	__builtin_memcpy(service.addr, key->addr, 16);
	service.port = key->port;
	service.real = to->real;
	if (known) {
		struct sock_peer *old = bpf_map_lookup_elem(&flows, &back);

		if (old && old->addr[0] == key->addr[0] && old->addr[1] == key->addr[1] &&
		    old->addr[2] == key->addr[2] && old->addr[3] == key->addr[3] && old->port == key->port)
			return SOCK_ALLOW;
	}
	bpf_map_update_elem(&flows, &back, &service, BPF_ANY);
	return SOCK_ALLOW;
}

/* connect (each false) or sendmsg (each true) of an IPv4 address. */
static __always_inline int sock_connect4(struct bpf_sock_addr *ctx, bool each)
{
	struct sock_key key = {};
	struct sock_peer to = {};
	bool chosen;
	int verdict;

	key.addr[2] = SOCK_MAPPED;
	key.addr[3] = ctx->user_ip4;
	key.port = ctx->user_port;
	verdict = sock_balance(ctx, vip4_find(key.addr[3], key.port, sock_proto(ctx)), &key, each, false, &to, &chosen);
	if (chosen) {
		ctx->user_ip4 = to.addr[3];
		ctx->user_port = to.port;
	}
	return verdict;
}

/* The same of an IPv6 address, which may be an IPv4-mapped one. */
static __always_inline int sock_connect6(struct bpf_sock_addr *ctx, bool each)
{
	struct sock_key key = {};
	struct sock_peer to = {};
	struct lb_vip *vip;
	bool chosen, v6;
	int verdict;

	key.addr[0] = ctx->user_ip6[0];
	key.addr[1] = ctx->user_ip6[1];
	key.addr[2] = ctx->user_ip6[2];
	key.addr[3] = ctx->user_ip6[3];
	key.port = ctx->user_port;
	v6 = key.addr[0] || key.addr[1] || key.addr[2] != SOCK_MAPPED;
	if (v6)
		vip = vip6_find(key.addr, key.port, sock_proto(ctx));
	else
		vip = vip4_find(key.addr[3], key.port, sock_proto(ctx));
	verdict = sock_balance(ctx, vip, &key, each, v6, &to, &chosen);
	if (chosen) {
		ctx->user_ip6[0] = to.addr[0];
		ctx->user_ip6[1] = to.addr[1];
		ctx->user_ip6[2] = to.addr[2];
		ctx->user_ip6[3] = to.addr[3];
		ctx->user_port = to.port;
	}
	return verdict;
}

/* recvmsg or getpeername of an IPv4 address: the service that it stands for. */
static __always_inline int sock_peer4(struct bpf_sock_addr *ctx)
{
	struct sock_key key = {};
	struct sock_peer *service;

	key.cookie = bpf_get_socket_cookie(ctx);
	key.addr[2] = SOCK_MAPPED;
	key.addr[3] = ctx->user_ip4;
	key.port = ctx->user_port;
	service = bpf_map_lookup_elem(&flows, &key);
	if (service) {
		stat_count(LB_STAT_RETURN);
		ctx->user_ip4 = service->addr[3];
		ctx->user_port = service->port;
	}
	return SOCK_ALLOW;
}

/* The same of an IPv6 address, which may be an IPv4-mapped one. */
static __always_inline int sock_peer6(struct bpf_sock_addr *ctx)
{
	struct sock_key key = {};
	struct sock_peer *service;

	key.cookie = bpf_get_socket_cookie(ctx);
	key.addr[0] = ctx->user_ip6[0];
	key.addr[1] = ctx->user_ip6[1];
	key.addr[2] = ctx->user_ip6[2];
	key.addr[3] = ctx->user_ip6[3];
	key.port = ctx->user_port;
	service = bpf_map_lookup_elem(&flows, &key);
	if (service) {
		stat_count(LB_STAT_RETURN);
		ctx->user_ip6[0] = service->addr[0];
		ctx->user_ip6[1] = service->addr[1];
		ctx->user_ip6[2] = service->addr[2];
		ctx->user_ip6[3] = service->addr[3];
		ctx->user_port = service->port;
	}
	return SOCK_ALLOW;
}

#endif
