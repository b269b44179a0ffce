// SPDX-License-Identifier: GPL-2.0
/*
 * pass: lets every packet through. A veth end that receives frames sent by XDP needs some program; where there is
 * nothing to do, this one stands. Attached to every link of the lab that has no other, so that the cost is the same
 * for all variants.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}
