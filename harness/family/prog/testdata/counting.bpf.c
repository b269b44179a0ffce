// SPDX-License-Identifier: GPL-2.0
/*
 * counting: lets every second packet pass, so that what it returns depends on the packets before.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

__u32 packets = 0;

SEC("xdp")
int counting(struct xdp_md *ctx)
{
	return packets++ % 2 ? XDP_PASS : XDP_DROP;
}
