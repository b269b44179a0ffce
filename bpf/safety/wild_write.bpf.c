// SPDX-License-Identifier: GPL-2.0
/*
 * wild_write - write through a number
 *
 * The same for writing: a program could turn itself into root.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: invalid mem access 'scalar'")
int wild_write(struct xdp_md *ctx)
{
	u64 address = 0xffff888000000000ULL + bpf_get_prandom_u32();

	*(volatile u8 *)address = 0;
	return XDP_PASS;
}
