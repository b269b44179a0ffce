// SPDX-License-Identifier: GPL-2.0
/*
 * shift_far - a shift by more bits than there are
 *
 * Undefined in C, and different on each processor.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: invalid shift 64")
NAKED int shift_far(void)
{
	asm volatile("r0 = 7;"
		     "r0 <<= 64;"
		     "exit;" ::
			 : CLOBBER);
}
