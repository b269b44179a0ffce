// SPDX-License-Identifier: GPL-2.0
/*
 * wrong_helper - a helper that is not for this type of program
 *
 * It changes a socket's options, and there is no socket.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: bpf_setsockopt")
int wrong_helper(struct xdp_md *ctx)
{
	u32 value = 1;

	return bpf_setsockopt(ctx, 1, 2, &value, sizeof(value));
}
