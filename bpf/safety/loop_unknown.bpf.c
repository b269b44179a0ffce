// SPDX-License-Identifier: GPL-2.0
/*
 * loop_unknown - a loop whose end a random number decides
 *
 * Up to 4 billion rounds, each of which the verifier has to follow: it gives up after a million instructions.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: BPF program is too large")
int loop_unknown(struct xdp_md *ctx)
{
	volatile u64 sum = 0;
	u32 n = bpf_get_prandom_u32();

	for (u32 i = 0; i < n; i++)
		sum += i;
	return XDP_PASS;
}
