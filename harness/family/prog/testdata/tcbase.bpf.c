// SPDX-License-Identifier: GPL-2.0
/*
 * tcbase: a tc program that passes every packet. The tests compare tcplus8 with it.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

SEC("tc")
int tcbase(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}
