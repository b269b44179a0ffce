// SPDX-License-Identifier: GPL-2.0
/*
 * base: passes every packet. The tests compare others with it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

SEC("xdp")
int base(struct xdp_md *ctx)
{
	return XDP_PASS;
}
