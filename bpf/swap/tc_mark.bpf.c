// SPDX-License-Identifier: GPL-2.0
/*
 * tc_mark: copies the mark that rules left into the stamp, at tc egress. It is never replaced.
 *
 * Each version of a ruleset flips one bit of the lower half, by its generation, and its generation in the upper half. Neighbours in
 * time flip different bits, so the number of bits is the number of versions that saw the packet.
 *
 * Known weakness: a packet that one version saw twice has no bit left and counts as seen by none.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("tc")
int mark(struct __sk_buff *skb)
{
	struct swap_stamp *s = swap_find((void *)(long)skb->data, (void *)(long)skb->data_end);
	__u32 m = skb->mark, hops = 0;

	if (!s)
		return 0;
#pragma unroll
	for (int i = 0; i < SWAP_MARK_BITS; i++)
		hops += m >> i & 1;
	s->hops = hops;
	s->generation = m >> SWAP_MARK_BITS;
	return 0;
}
