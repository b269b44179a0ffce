// SPDX-License-Identifier: GPL-2.0
/*
 * tcplus8: as tcbase, with eight instructions more.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

SEC("tc")
int tcplus8(struct __sk_buff *skb)
{
	asm volatile("r1 = 1; r1 += 1; r1 += 1; r1 += 1; r1 += 1; r1 += 1; r1 += 1; r1 += 1;" ::: "r1");
	return TC_ACT_OK;
}
