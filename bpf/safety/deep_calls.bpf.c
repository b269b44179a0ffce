// SPDX-License-Identifier: GPL-2.0
/*
 * deep_calls - twenty functions, each called by the one before
 *
 * No recursion, but deeper than the frames that are allowed: 8, since 7.2 at the latest 16.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

#define NEXT(n, next)                                                                                                  \
	static __attribute__((noinline)) u32 f##n(u32 x)                                                               \
	{                                                                                                              \
		volatile u32 y = x + n;                                                                                \
		return next(y) + y;                                                                                    \
	}

static __attribute__((noinline)) u32 last(u32 x)
{
	volatile u32 y = x;

	return y;
}

NEXT(1, last)
NEXT(2, f1)
NEXT(3, f2)
NEXT(4, f3)
NEXT(5, f4)
NEXT(6, f5)
NEXT(7, f6)
NEXT(8, f7)
NEXT(9, f8)
NEXT(10, f9)
NEXT(11, f10)
NEXT(12, f11)
NEXT(13, f12)
NEXT(14, f13)
NEXT(15, f14)
NEXT(16, f15)
NEXT(17, f16)
NEXT(18, f17)
NEXT(19, f18)

SEC("xdp")
EXPECT("root refused: frames is too deep")
int deep_calls(struct xdp_md *ctx)
{
	return f19(bpf_get_prandom_u32()) ? XDP_PASS : XDP_DROP;
}
