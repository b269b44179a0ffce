// SPDX-License-Identifier: GPL-2.0
/*
 * tc_stamp: a version at tc ingress, by tcx or as a filter. It stamps numbered packets and lets all pass; the stack forwards them.
 *
 * Each version is this object with another generation. A packet that no version saw is forwarded as well, without a stamp.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 generation = 1;

SEC("tc")
int stamp(struct __sk_buff *skb)
{
	swap_stamp((void *)(long)skb->data, (void *)(long)skb->data_end, generation);
	return 0; /* TC_ACT_OK, and TCX_PASS */
}
