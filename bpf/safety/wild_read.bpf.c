// SPDX-License-Identifier: GPL-2.0
/*
 * wild_read - read through a number
 *
 * A number is taken for an address. With it a program could read all of the kernel.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: invalid mem access 'scalar'")
int wild_read(struct xdp_md *ctx)
{
	u64 address = 0xffff888000000000ULL + bpf_get_prandom_u32();

	return *(volatile u8 *)address ? XDP_PASS : XDP_DROP;
}
