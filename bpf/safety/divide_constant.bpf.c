// SPDX-License-Identifier: GPL-2.0
/*
 * divide_constant - division by the constant zero
 *
 * The verifier refuses a division whose fault it can see.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: div by zero")
NAKED int divide_constant(void)
{
	asm volatile("r0 = 7;"
		     "r0 /= 0;"
		     "exit;" ::
			 : CLOBBER);
}
