// SPDX-License-Identifier: GPL-2.0
/*
 * plus8: as base, with eight instructions more.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

SEC("xdp")
int plus8(struct xdp_md *ctx)
{
	asm volatile("r1 = 1; r1 += 1; r1 += 1; r1 += 1; r1 += 1; r1 += 1; r1 += 1; r1 += 1;" ::: "r1");
	return XDP_PASS;
}
