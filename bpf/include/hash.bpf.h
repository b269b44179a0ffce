/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seeded 64-bit hash of a flow.
 *
 * Multiply and fold, a word at a time, with one more round at the end: every input bit changes every output bit with
 * about even odds; tests see only that reals get even shares. The seed keeps outsiders from preparing collisions, as far as a
 * hash that is not cryptographic can.
 */
#ifndef KXLAB_HASH_BPF_H
#define KXLAB_HASH_BPF_H

#include "parse.bpf.h"

static __always_inline __u64 hash_step(__u64 h, __u64 word)
{
	h = (h ^ word) * 0x9fb21c651e98df25ULL;
	return h ^ h >> 32;
}

static __always_inline __u64 hash_end(__u64 h)
{
	h *= 0xd6e8feb86659fd93ULL;
	return h ^ h >> 32;
}

/*
 * The hash of a flow of an IPv4 service. The service's id stands for its address, port and protocol, too; it is all
 * that tells apart flows of two services in one flow table.
 */
static __always_inline __u64 hash_flow4(__u64 seed, const struct packet *p, __u32 service)
{
	__u64 h = hash_step(seed, (__u64)p->src[0] << 32 | p->ports);

	return hash_end(hash_step(h, service));
}

static __always_inline __u64 hash_flow6(__u64 seed, const struct packet *p, __u32 service)
{
	__u64 h = hash_step(seed, (__u64)p->src[0] << 32 | p->src[1]);

	h = hash_step(h, (__u64)p->src[2] << 32 | p->src[3]);
	return hash_end(hash_step(h, (__u64)service << 32 | p->ports));
}

#endif
