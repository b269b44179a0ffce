// SPDX-License-Identifier: GPL-2.0
/*
 * unknown_helper - a helper that does not exist
 *
 * The number is not one of a function.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

static long (*nothing)(void) = (void *)9999;

SEC("xdp")
EXPECT("root refused: invalid func unknown#9999")
int unknown_helper(struct xdp_md *ctx)
{
	return nothing();
}
