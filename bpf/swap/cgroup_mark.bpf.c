// SPDX-License-Identifier: GPL-2.0
/*
 * cgroup_mark: a version at the egress of a cgroup. It flips its bits in the mark of each packet that a socket of the cgroup sends, as a
 * rule does, because programs at cgroups cannot write into packets. tc_mark copies the mark into the stamp.
 *
 * Each version is this object with another generation. A packet that no version saw is sent as well, without a mark.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 generation = 1;

SEC("cgroup_skb/egress")
int stamp(struct __sk_buff *skb)
{
	skb->mark ^= generation << SWAP_MARK_BITS | 1 << generation % SWAP_MARK_BITS;
	return 1; /* the packet is sent */
}
