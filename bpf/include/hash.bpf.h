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
 * The hash of an IPv4 flow, its service's address and port included: one flow table holds the flows of all services. It
 * is of the packet alone, so that the flow's cache line can be under way while the service is still being looked up.
 */
static __always_inline __u64 hash_flow4(__u64 seed, const struct packet *p)
{
	__u64 h = hash_step(seed, (__u64)p->src[0] << 32 | p->ports);

	return hash_end(hash_step(h, (__u64)p->dst[0] << 32 | p->proto));
}

static __always_inline __u64 hash_flow6(__u64 seed, const struct packet *p)
{
	__u64 h = hash_step(seed, (__u64)p->src[0] << 32 | p->src[1]);

	h = hash_step(h, (__u64)p->src[2] << 32 | p->src[3]);
	h = hash_step(h, (__u64)p->dst[0] << 32 | p->dst[1]);
	h = hash_step(h, (__u64)p->dst[2] << 32 | p->dst[3]);
	return hash_end(hash_step(h, (__u64)p->proto << 32 | p->ports));
}

#endif
