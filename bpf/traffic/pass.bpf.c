// SPDX-License-Identifier: GPL-2.0
/*
 * pass: passes every packet. A veth end that receives frames sent by XDP needs a program. This one is attached to every
 * link of the lab that has no other, so that the cost is the same for all variants.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}
