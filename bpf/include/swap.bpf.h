/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The work of a version on a packet: it finds the stamp, writes its generation and counts itself.
 */
#ifndef KXLAB_SWAP_BPF_H
#define KXLAB_SWAP_BPF_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "swap.h"

/* The stamp in a packet. The generator numbers it and clears the rest, each version writes its generation and adds 1 to hops. */
struct swap_stamp {
	__u64 seq; /* from 0 */
	__u64 sent; /* ns of CLOCK_MONOTONIC */
	__u32 generation;
	__u32 hops; /* versions that saw the packet */
	__u64 paused; /* ns so far in which the generator did not run */
};

_Static_assert(sizeof(struct swap_stamp) == SWAP_BYTES, "swap.h says the size");

/* The stamp of a numbered packet; NULL for all other packets. */
static __always_inline struct swap_stamp *swap_find(void *data, void *end)
{
	struct swap_stamp *s = data + SWAP_AT;

	if ((void *)(s + 1) > end || *(__be16 *)(data + 12) != bpf_htons(ETH_P_IP))
		return NULL;
	if (*(__u8 *)(data + 14) != 0x45 || *(__u8 *)(data + 23) != IPPROTO_UDP ||
	    *(__be16 *)(data + 36) != bpf_htons(SWAP_PORT))
		return NULL;
	return s;
}

/* Stamps a numbered packet. Returns false for all other packets. */
static __always_inline int swap_stamp(void *data, void *end, __u32 generation)
{
	struct swap_stamp *s = swap_find(data, end);

	if (!s)
		return 0;
	s->generation = generation;
	s->hops++;
	return 1;
}

#endif
